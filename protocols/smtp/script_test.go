package smtp

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

// exchange2010 is the list of a receive connector, but for STARTTLS and AUTH.
const exchange2010 = `
			S: 250-cas1.example.org Hello [192.0.2.7]
			S: 250-SIZE 10485760
			S: 250-PIPELINING
			S: 250-DSN
			S: 250-ENHANCEDSTATUSCODES
			S! 250-STARTTLS
			S: 250-X-ANONYMOUSTLS
			S! 250-AUTH NTLM LOGIN
`

// chunking begins a session with a server that takes chunks.
const chunking = `
			S: 220 ready
			C: EHLO client
			S: 250-cas1
			S! 250 CHUNKING
			>C 250-CHUNKING
			>C 250 STARTTLS
`

func TestDialogues(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"exchange-2010-starttls", dialoguetest.Offers, `
			GOODBYE yes
			S: "220-cas1.example.org Microsoft ESMTP MAIL Service ready\r\n"
			GOODBYE no
			S: 220 at Mon, 22 Nov 2010
			GOODBYE yes
			C: EHLO client.example.org` + exchange2010 + `
			>C 250-AUTH NTLM
			S: 250-X-EXPS GSSAPI NTLM LOGIN
			S: 250-8BITMIME
			S: 250-BINARYMIME
			S: 250-CHUNKING
			S: 250-XEXCH50
			S! 250 XSHADOW
			>C 250-XSHADOW
			>C 250 STARTTLS
			GOODBYE yes
			C! AUTH LOGIN
			>C 530 5.7.0 Must issue a STARTTLS command first
			C! auth plain AGFsaWNlAHNlY3JldA==
			>C 530 5.7.0 Must issue a STARTTLS command first
			C! STARTTLS now
			>C 501 5.5.4 STARTTLS takes no parameters
			C! starttls
			>C 220 2.0.0 Ready to start TLS
			TLS
			GOODBYE yes
			C! MAIL FROM:<alice@example.org>
			>C 503 5.5.1 Send EHLO first
			C! AUTH LOGIN
			>C 503 5.5.1 Send EHLO first
			C! STARTTLS
			>C 503 5.5.1 TLS is already active
			C: RSET
			S: 250 2.0.0 Resetting
			C: EHLO client.example.org
			S: 250-cas1.example.org Hello [192.0.2.7]
			S! 250-AUTH NTLM LOGIN
			S! 250 STARTTLS
			>C 250 AUTH NTLM LOGIN
		`},
		{"whole-session", dialoguetest.Offloads, `
			S: 220 ready
			C: EHLO client
			S: 250-cas1
			S: 250-AUTH LOGIN
			S: 250 CHUNKING
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			GOODBYE yes
			C: YWxpY2U=
			GOODBYE no
			S: 334 UGFzc3dvcmQ6
			C: c2VjcmV0
			S: 235 2.7.0 Authentication successful
			C: MAIL FROM:<alice@example.org>
			C: RCPT TO:<bob@example.org>
			C: RCPT TO:<carol@example.org>
			C: DATA
			GOODBYE no
			S: 250 2.1.0 Sender OK
			S: 250 2.1.5 Recipient OK
			S: 550 5.1.1 User unknown
			S: 354 Start mail input; end with <CRLF>.<CRLF>
			GOODBYE no
			C: Subject: STARTTLS
			C: ` + `
			C: ..
			C: EHLO
			C: ". \r\n.\r.\n\r\n.\r\r\n\n.\n"
			C: ` + `
			GOODBYE no
			C: .
			GOODBYE no
			S: 250 2.6.0 Queued mail for delivery
			GOODBYE yes
			C: MAIL FROM:<alice@example.org>
			C: RCPT TO:<bob@example.org>
			C: BDAT 8
			C: "QUIT\r\n.\n"
			C: BDAT 0
			C: BDAT 3 LAST
			C: ".\r\n"
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 8 octets
			S: 250 0 octets
			S: 250 queued
			S: 503 5.5.1 no
			C: NOOP
			S: 250 ok
			C: XEXCH50 6 2
			S: 354 Send binary data
			C: "QUIT\r\n"
			S: 250 XEXCH50 ok
			C: DATA
			S: 354 go
			C: .
			S: 250 ok
			C: QUIT
			GOODBYE no
			S: 221 2.0.0 Service closing transmission channel
			GOODBYE no
		`},
		{"no-extensions", dialoguetest.Offers, `
			S: 220 ready
			C: EHLO client
			S! 250 cas1
			>C 250-cas1
			>C 250 STARTTLS
			C: HELO client
			S: 250 cas1
			C: EHLO client
			S: 502 5.5.1 not now
		`},
		{"only-secrets", dialoguetest.Offers, `
			S: 220 ready
			C: EHLO client
			S: 250-cas1
			S! 250-AUTH=LOGIN
			S! 250-auth plain login
			S! 250 AUTH=PLAIN NTLM
			>C 250-AUTH NTLM
			>C 250 STARTTLS
			C: AUTH NTLM TlRMTVNTUAABAAAA
			S: 334 TlRMTVNTUAACAAAA
			C: TlRMTVNTUAADAAAA
			S: 235 2.7.0 ok
			C! STARTTLS
			>C 503 5.5.1 STARTTLS is not allowed after AUTH
			C: EHLO client
			S! 250-cas1
			S! 250 STARTTLS
			>C 250 cas1
		`},
		{"ehlo-that-is-refused-changes-nothing", dialoguetest.Offloads, `
			S: 220 ready
			C: EHLO client
			S: 250-cas1
			S: 250 CHUNKING
			C: EHLO
			S: 501 5.5.4 Invalid domain name
			C: BDAT 6 LAST
			C: "QUIT\n\n"
			S: 250 queued
			C: EHLO client
			S: 250 cas1
			C: BDAT 6 LAST
			S: 502 5.5.1 what?
			C: NOOP
			S: 250 ok
		`},
		{"list-that-ends-as-a-refusal", dialoguetest.Offers, `
			S: 220 ready
			C: EHLO client
			S: 250-cas1
			S: 250-SIZE
			S: 550 5.7.1 no
			C: EHLO client
			S! 250 cas1
			>C 250-cas1
			>C 250 STARTTLS
		`},
		{"server-goes-down", dialoguetest.Offers, `
			S: 220 ready
			S: 421 4.3.2 shutting down
			GOODBYE no
		`},
		{"timeout-of-the-server", dialoguetest.Offers, `
			S: 220 ready
			C: NOOP
			S: 250 ok
			S: 451 4.7.0 Timeout waiting for client input
			GOODBYE yes
		`},
		{"anonymous-tls", dialoguetest.Offers, `
			S: 220 ready
			C: EHLO cas2
			S: 250-cas1
			S! 250 X-ANONYMOUSTLS
			>C 250-X-ANONYMOUSTLS
			>C 250 STARTTLS
			C: X-ANONYMOUSTLS
			S: 220 2.0.0 SMTP server ready
			BLIND
			GOODBYE no
			C: "\x16\x03\x01"
			S: "\x16\x03\x01"
		`},
	})
}

// Without Offer every octet passes as it is, and the framing is followed.
func TestWatches(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"between-exchange-servers", dialoguetest.Watches, `
			S: 220 ready
			C: EHLO cas2
			S: 250-cas1
			S: 250-STARTTLS
			S: 250-X-ANONYMOUSTLS
			S: 250-AUTH NTLM LOGIN
			S: 250-X-EXPS EXCHANGEAUTH GSSAPI NTLM LOGIN
			S: 250-X-EXCHANGEAUTH SHA256
			S: 250 XSHADOW
			C: X-EXPS EXCHANGEAUTH SHA256 YII=
			S: 334 oY==
			C: YI==
			S: 235 ok
			C: XSHADOW cas2
			S: 250 id
			GOODBYE yes
			C: X-ANONYMOUSTLS
			S: 220 go
			BLIND
			C: "\x16\x03\x01"
		`},
		{"starttls-of-the-server", dialoguetest.Watches, `
			S: 220 ready
			C: STARTTLS
			S: 454 4.7.0 not now
			GOODBYE yes
			C: STARTTLS
			S: 220 2.0.0 go
			BLIND
			GOODBYE no
			C: "\x16\x03\x01"
			S: "\x16\x03\x03\n"
		`},
		{"unknown-data", dialoguetest.Watches, `
			S: 220 ready
			C: XDATA
			S: 354 send it
			BLIND
		`},
		{"turn", dialoguetest.Watches, `
			S: 220 ready
			C: TURN
			S: 502 no
			C: ATRN example.org
			S: 250 ok
			BLIND
		`},
		{"no-smtp", dialoguetest.Watches, `
			S: SSH-2.0-OpenSSH_9.2
			BLIND
		`},
		{"bare-lf", dialoguetest.Watches, `
			S: 220 ready
			C: "EHLO client\n"
			BLIND
		`},
		{"blank-line", dialoguetest.Watches, `
			S: 220 ready
			C: ` + `
			BLIND
		`},
		{"many-commands", dialoguetest.Watches, `
			S: 220 ready
			C: "` + strings.Repeat(`RSET\r\n`, 100) + `"
			S: "` + strings.Repeat(`250 ok\r\n`, 100) + `"
			GOODBYE yes
		`},
	})
}

func TestHostile(t *testing.T) {
	long := strings.Repeat("x", 8192)
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"injection", dialoguetest.Offers, `
			S: 220 ready
			C! "STARTTLS\r\nMAIL FROM:<mallory@example.org>\r\n"
			>C 220 2.0.0 Ready to start TLS
			GOODBYE no
			TLS 33
			C: EHLO client
			S! 250 cas1
			>C 250 cas1
			C: MAIL FROM:<alice@example.org>
			S: 250 ok
		`},
		{"starttls-behind-what-is-open", dialoguetest.Offers, `
			S: 220 ready
			C: MAIL FROM:<mallory@example.org>
			C! "STARTTLS\r\nNOOP\r\n"
			S: 250 ok
			>C 220 2.0.0 Ready to start TLS
			TLS 6
			C! RCPT TO:<bob@example.org>
			>C 503 5.5.1 Send EHLO first
		`},
		{"password-in-a-chunk", dialoguetest.Offers, `
			S: 220 ready
			C: BDAT 20
			S: 502 5.5.1 what?
			C! AUTH PLAIN AGFsaWNl
			>C 530 5.7.0 Must issue a STARTTLS command first
		`},
		{"password-in-a-chunk-behind-helo", dialoguetest.Offers, chunking + `
			C: HELO client
			S: 250 cas1
			C: BDAT 21
			S: 503 5.5.1 CHUNKING is not offered
			C! AUTH PLAIN AGFsaWNl
			>C 530 5.7.0 Must issue a STARTTLS command first
		`},
		{"password-in-a-chunk-behind-a-refusal", dialoguetest.Offers, chunking + `
			C: EHLO client
			S: 550 5.7.1 no
			C: BDAT 21
			S: 503 5.5.1 Send EHLO first
			C! AUTH PLAIN AGFsaWNl
			>C 530 5.7.0 Must issue a STARTTLS command first
		`},
		{"password-in-data-that-is-refused", dialoguetest.Offers, `
			S: 220 ready
			C: DATA
			C! AUTH PLAIN AGFsaWNl
			S: 503 5.5.1 no
			>C 530 5.7.0 Must issue a STARTTLS command first
		`},
		{"commands-in-disguise", dialoguetest.Offers, `
			S: 220 ready
			C!  AUTH PLAIN AGFsaWNl
			C! "\tAUTH PLAIN AGFsaWNl\r\n"
			C! "\vAUTH PLAIN AGFsaWNl\r\n"
			C! "AUTH\tPLAIN AGFsaWNl\r\n"
			C! AUTH  PLAIN AGFsaWNl
			C! AUTH=PLAIN AGFsaWNl
			C! "\r\n"
			C! AUTH
			C! AUTH "PLAIN"
			>C 500 5.5.2 Syntax error, command is not recognised
			>C 500 5.5.2 Syntax error, command is not recognised
			>C 500 5.5.2 Syntax error, command is not recognised
			>C 530 5.7.0 Must issue a STARTTLS command first
			>C 530 5.7.0 Must issue a STARTTLS command first
			>C 500 5.5.2 Syntax error, command is not recognised
			>C 500 5.5.2 Syntax error, command is not recognised
			>C 530 5.7.0 Must issue a STARTTLS command first
			>C 530 5.7.0 Must issue a STARTTLS command first
		`},
		{"talks-first", dialoguetest.Offers, `
			C! "STARTTLS\r\nNOOP\r\n"
			S: 220 ready
			>C 220 2.0.0 Ready to start TLS
			TLS 6
		`},
		{"bare-cr", dialoguetest.Offers, `
			S: 220 ready
			C! "NOOP\rAUTH PLAIN AGFsaWNl\r\n"
			>C 421 4.5.0 CR or LF alone in a command line
			ERR smtp: client: CR or LF alone in a command line
		`},
		{"bare-lf-while-a-reply-is-due", dialoguetest.Offers, `
			S: 220 ready
			C: NOOP
			C! "NOOP\n"
			ERR smtp: client: CR or LF alone in a command line
		`},
		{"endless-line", dialoguetest.Offers, `
			S: 220 ready
			C! "` + long + `"
			>C 421 4.5.0 command line longer than 8192 octets
			ERR smtp: client: command line longer than 8192 octets
		`},
		{"long-token", dialoguetest.Offloads, `
			S: 220 ready
			C: AUTH GSSAPI ` + long + `
			S: 334 ` + `
			C: ` + long + `
			S: 235 ok
			C! "AUTH ` + strings.Repeat("x", 65536) + `"
			>C 421 4.5.0 line of an authentication longer than 65536 octets
			ERR smtp: client: line of an authentication longer than 65536 octets
		`},
		{"chunk-without-a-number", dialoguetest.Offers, chunking + `
			C! BDAT -1
			>C 421 4.5.0 BDAT or XEXCH50 without a number of octets
			ERR smtp: client: BDAT or XEXCH50 without a number of octets
		`},
		{"chunk-in-disguise", dialoguetest.Offers, chunking + `
			C! "BDAT\t21\r\nAUTH PLAIN AGFsaWNl\r\n"
			>C 421 4.5.0 BDAT in another form than BDAT NUMBER or BDAT NUMBER LAST before TLS
			ERR smtp: client: BDAT in another form than BDAT NUMBER or BDAT NUMBER LAST before TLS
		`},
		{"chunk-with-another-word", dialoguetest.Offers, chunking + `
			C! "BDAT 21 FIRST\r\nAUTH PLAIN AGFsaWNl\r\n"
			>C 421 4.5.0 BDAT in another form than BDAT NUMBER or BDAT NUMBER LAST before TLS
			ERR smtp: client: BDAT in another form than BDAT NUMBER or BDAT NUMBER LAST before TLS
		`},
		{"chunks-before-tls", dialoguetest.Offers, chunking + `
			C: bdat 5
			C: "QUIT\n"
			C: BDAT 0 last
			S: 250 ok
			S: 250 queued
		`},
		{"octets-without-a-number", dialoguetest.Offers, `
			S: 220 ready
			C! XEXCH50 x
			>C 421 4.5.0 BDAT or XEXCH50 without a number of octets
			ERR smtp: client: BDAT or XEXCH50 without a number of octets
		`},
		{"short-reply", dialoguetest.Offers, `
			S: 220 ready
			S! 25
			>C 421 4.5.0 line that is no reply
			ERR smtp: server: line that is no reply
		`},
		{"endless-greeting", dialoguetest.Offers, `
			S! 220 ` + strings.Repeat("x", 507) + `
			>C 421 4.5.0 greeting line longer than 512 octets
			ERR smtp: server: greeting line longer than 512 octets
		`},
		{"greeting-512", dialoguetest.Offers, `
			S: 220 ` + strings.Repeat("x", 506) + `
		`},
		{"list-1001", dialoguetest.Offers, `
			S: 220 ready
			C: EHLO client
			S! "` + strings.Repeat(`250-X\r\n`, 1001) + `"
			>C "` + strings.Repeat(`250-X\r\n`, 999) + `"
			ERR smtp: server: reply of more than 1000 lines
		`},
		{"no-reply", dialoguetest.Offers, `
			S: 220 ready
			S! hello
			>C 421 4.5.0 line that is no reply
			ERR smtp: server: line that is no reply
		`},
		{"asks-for-more", dialoguetest.Offers, `
			S: 220 ready
			C: NOOP
			S: 354 more
			>C 421 4.5.0 asks for more of a command that has no more
			ERR smtp: server: asks for more of a command that has no more
		`},
	})
}
