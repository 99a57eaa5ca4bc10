package pop3

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

func TestDialogues(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"exchange-2010-stls", dialoguetest.Offers, `
			GOODBYE yes
			S: +OK The Microsoft Exchange POP3 service is ready.
			GOODBYE yes
			C: CAPA
			GOODBYE yes
			S: +OK
			GOODBYE no
			S: TOP
			S: UIDL
			S! SASL NTLM GSSAPI PLAIN
			>C SASL NTLM GSSAPI
			S! USER
			S! STLS
			>C STLS
			S: .
			C: AUTH
			S: +OK
			S: NTLM
			S: GSSAPI
			S! PLAIN
			S: .
			C! USER alice
			>C -ERR Must issue a STLS command first
			C! PASS secret
			>C -ERR Must issue a STLS command first
			C! AUTH PLAIN AGFsaWNlAHNlY3JldA==
			>C -ERR Must issue a STLS command first
			C! STLS now
			>C -ERR STLS takes no arguments
			C! stls
			>C +OK Begin TLS negotiation
			TLS
			GOODBYE yes
			C! STLS
			>C -ERR Command not permitted when TLS active
			C: CAPA
			S: +OK
			S: TOP
			S: SASL NTLM GSSAPI PLAIN
			S! STLS
			S: USER
			S: .
			C: USER alice
			S: +OK
			C: PASS secret
			S: +OK User successfully logged on.
			C: STAT
			C: LIST
			C: LIST 1
			C: UIDL 2
			C: RETR 1
			C: TOP 1 0
			C: DELE 1
			S: +OK 2 320
			S: +OK 2 320
			GOODBYE no
			S: 1 120
			S: 2 200
			S: .
			S: +OK 1 120
			S: -ERR no such message
			GOODBYE yes
			S: +OK
			S: Subject: STLS
			S: ` + `
			S: "..\r\n.\r.\r\n\n.\n+OK\r\n-ERR\r\n.x\r\n"
			GOODBYE no
			S: .
			S: +OK
			S: .
			S: +OK
			GOODBYE yes
			C: QUIT
			GOODBYE no
			S: +OK bye
			GOODBYE no
		`},
		{"dovecot-auth", dialoguetest.Offloads, `
			S: +OK Dovecot ready. <1a2b.3@example.org>
			C: AUTH PLAIN
			S: + 
			GOODBYE yes
			C: AGFsaWNlAHNlY3JldA==
			S: -ERR [AUTH] Authentication failed.
			C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
			S: +OK Logged in.
			C: LANG
			S: +OK Language listing follows:
			S: en English
			S: .
			C: LANG en
			S: +OK en
			C: UIDL 
			S: +OK
			S: .
		`},
		{"ntlm-before-tls", dialoguetest.Offers, `
			S: +OK ready
			C: AUTH NTLM
			S: +OK
			C: TlRMTVNTUAABAAAA
			S: + TlRMTVNTUAACAAAA
			C: TlRMTVNTUAADAAAA
			S: +OK User successfully logged on.
			C! STLS
			>C -ERR STLS is permitted before login only
			C: CAPA
			S: +OK
			S! STLS
			S: TOP
			S: .
		`},
		{"no-secret-mechanism-left", dialoguetest.Offers, `
			S: +OK ready
			C: CAPA
			S: +OK
			S! SASL PLAIN LOGIN
			S: TOP
			>C STLS
			S: .
			C: CAPA
			S: -ERR not now
		`},
		{"server-ends", dialoguetest.Offers, `
			S: +OK ready
			S: -ERR [SYS/TEMP] Disconnected for inactivity.
			GOODBYE no
		`},
	})
}

// Without Offer every octet passes as it is, and the framing is followed.
func TestWatches(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"stls-of-the-server", dialoguetest.Watches, `
			S: +OK ready
			C: CAPA
			S: +OK
			S: STLS
			S: USER
			S: .
			C: STLS
			S: -ERR not now
			GOODBYE yes
			C: STLS
			S: +OK go
			BLIND
			GOODBYE no
			C: "\x16\x03\x01"
			S: "\x16\x03\x03\n"
		`},
		{"password", dialoguetest.Watches, `
			S: +OK ready
			C: USER alice
			C: PASS secret
			S: +OK
			S: +OK
			GOODBYE yes
		`},
		{"bare-lf", dialoguetest.Watches, `
			S: +OK ready
			C: "STAT\n"
			BLIND
			S: +OK 0 0
		`},
		{"blank-line", dialoguetest.Watches, `
			S: +OK ready
			C: ` + `
			BLIND
		`},
		{"no-pop3", dialoguetest.Watches, `
			S: * OK ready
			BLIND
			C: "\x00"
		`},
		{"many-commands", dialoguetest.Watches, `
			S: +OK ready
			C: "` + strings.Repeat(`NOOP\r\n`, 100) + `"
			S: "` + strings.Repeat(`+OK\r\n`, 100) + `"
			GOODBYE yes
		`},
	})
}

func TestHostile(t *testing.T) {
	long := strings.Repeat("x", 8192)
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"injection", dialoguetest.Offers, `
			S: +OK ready
			C! "STLS\r\nUSER mallory\r\n"
			>C +OK Begin TLS negotiation
			GOODBYE no
			TLS 14
			C: NOOP
			S: +OK
		`},
		{"stls-behind-what-is-open", dialoguetest.Offers, `
			S: +OK ready
			C: CAPA
			C! "STLS\r\nNOOP\r\n"
			S: +OK
			S! STLS
			>C STLS
			S: .
			>C +OK Begin TLS negotiation
			TLS 6
		`},
		{"commands-in-disguise", dialoguetest.Offers, `
			S: +OK ready
			C!  USER alice
			C! "\tUSER alice\r\n"
			C! "\vUSER alice\r\n"
			C! "USER\talice\r\n"
			C! "\r\n"
			C! AUTH "PLAIN"
			C! AUTH  plain
			C! AUTH XOAUTH2 x
			>C -ERR Command is not recognised
			>C -ERR Command is not recognised
			>C -ERR Command is not recognised
			>C -ERR Must issue a STLS command first
			>C -ERR Command is not recognised
			>C -ERR Must issue a STLS command first
			>C -ERR Must issue a STLS command first
			>C -ERR Must issue a STLS command first
		`},
		{"password-behind-auth-that-fails", dialoguetest.Offers, `
			S: +OK ready
			C: AUTH NTLM
			C! PASS secret
			S: -ERR not now
			>C -ERR Must issue a STLS command first
		`},
		{"talks-first", dialoguetest.Offers, `
			C! "STLS\r\nNOOP\r\n"
			S: +OK ready
			>C +OK Begin TLS negotiation
			TLS 6
		`},
		{"bare-cr", dialoguetest.Offers, `
			S: +OK ready
			C! "NOOP\rUSER alice\r\n"
			>C -ERR CR or LF alone in a command line
			ERR pop3: client: CR or LF alone in a command line
		`},
		{"endless-line", dialoguetest.Offers, `
			S: +OK ready
			C! "` + long + `"
			>C -ERR command line longer than 8192 octets
			ERR pop3: client: command line longer than 8192 octets
		`},
		{"long-token", dialoguetest.Offloads, `
			S: +OK ready
			C: AUTH GSSAPI ` + long + `
			S: + ` + `
			C: ` + long + `
			S: +OK
			C! "AUTH ` + strings.Repeat("x", 65536) + `"
			>C -ERR line of an authentication longer than 65536 octets
			ERR pop3: client: line of an authentication longer than 65536 octets
		`},
		{"greeting-512", dialoguetest.Offers, `
			S: +OK ` + strings.Repeat("x", 506) + `
		`},
		{"greeting-513", dialoguetest.Offers, `
			S! +OK ` + strings.Repeat("x", 507) + `
			>C -ERR greeting line longer than 512 octets
			ERR pop3: server: greeting line longer than 512 octets
		`},
		{"list-1001", dialoguetest.Offers, `
			S: +OK ready
			C: CAPA
			S: +OK
			S: "` + strings.Repeat(`X\r\n`, 1000) + `"
			S! X
			ERR pop3: server: list of more than 1000 lines
		`},
		{"no-response", dialoguetest.Offers, `
			S: +OK ready
			C: NOOP
			S! + more
			>C -ERR line that is no response
			ERR pop3: server: line that is no response
		`},
	})
}
