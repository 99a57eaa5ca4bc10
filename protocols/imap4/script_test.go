package imap4

import (
	"strings"
	"testing"

	"casbah/internal/maildialogue/dialoguetest"
)

// S110: STARTTLS on port 143, ended by the relay.
func TestDialogues(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"exchange-2010-starttls", dialoguetest.OffersTo, `
			GOODBYE yes
			S: * OK The Microsoft Exchange IMAP4 service is ready.
			GOODBYE yes
			C: 1 CAPABILITY
			S! * CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI AUTH=PLAIN STARTTLS UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+
			>C * CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+ STARTTLS LOGINDISABLED
			S: 1 OK CAPABILITY completed.
			C! 2 LOGIN example\alice/alice secret
			>C 2 NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			C! 3 starttls
			>C 3 OK Begin TLS negotiation now
			TLS
			GOODBYE yes
			C: 4 CAPABILITY
			S! * CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI AUTH=PLAIN STARTTLS UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+
			>C * CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI AUTH=PLAIN UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+
			S: 4 OK CAPABILITY completed.
			C: 5 LOGIN example\alice/alice secret
			S: 5 OK LOGIN completed.
			C! 6 STARTTLS
			>C 6 BAD TLS is already active
			C: 7 SELECT INBOX
			S: * 3 EXISTS
			S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $MDNSent)
			S: 7 OK [READ-WRITE] SELECT completed.
			C: 8 IDLE
			GOODBYE yes
			S: + IDLE accepted, awaiting DONE command.
			GOODBYE yes
			S: * 4 EXISTS
			C: DONE
			S: 8 OK IDLE completed.
			C: 9 UID FETCH 4 (BODY[])
			S: "* 4 FETCH (BODY[] {14}\r\nSubject: a"
			GOODBYE no
			S: "\r\n\r\n"
			GOODBYE no
			S:  UID 9)
			GOODBYE no
			S: 9 OK FETCH completed.
			C: 10 LOGOUT
			S: * BYE Microsoft Exchange Server 2010 IMAP4 server signing off.
			GOODBYE no
			S: 10 OK LOGOUT completed.
			GOODBYE no
		`},
		{"dovecot-plain-leg", dialoguetest.Offers, `
			S! * OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED] Dovecot ready.
			>C * OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ LOGINDISABLED STARTTLS] Dovecot ready.
			C: a ID ("name" "Thunderbird")
			S: * ID ("name" "Dovecot")
			S: a OK ID completed.
			C! b AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==
			>C b NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			C! c STARTTLS
			>C c OK Begin TLS negotiation now
			TLS
			C: d AUTHENTICATE PLAIN
			S: + 
			C: AGFsaWNlAHNlY3JldA==
			S! d OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED SASL-IR IDLE MULTIAPPEND UIDPLUS COMPRESS=DEFLATE] Logged in
			>C d OK [CAPABILITY IMAP4rev1 SASL-IR IDLE MULTIAPPEND UIDPLUS COMPRESS=DEFLATE] Logged in
			C: e APPEND Sent (\Seen) {10}
			GOODBYE no
			S: + OK
			C: "0123456789\r\n"
			S: e OK [APPENDUID 1 2] Append completed.
			C: f APPEND Sent {5+}
			C: "01234 {5+}\r\n56789\r\n"
			S: f OK Append completed.
			C: g COMPRESS DEFLATE
			S: g OK Begin compression.
			BLIND
			GOODBYE no
			C: "\x00\xff\n"
			S: "\x00\n* CAPABILITY STARTTLS\r\n"
		`},
		{"offload-993", dialoguetest.Offloads, `
			S! * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready
			>C * OK [CAPABILITY IMAP4rev1] ready
			C! a STARTTLS
			>C a BAD TLS is already active
			C: b LOGIN {5}
			S: + go
			C: alice {6}
			S: + go
			C: secret
			S: b OK done
		`},
		{"login-disabled-stays", Options{Offer: true, Secure: true, ServerSecure: true}, `
			S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] no passwords here
		`},
		{"preauth", dialoguetest.Offers, `
			S! * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hello alice
			>C * PREAUTH [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello alice
			C! a STARTTLS
			>C a BAD STARTTLS is permitted before login only
		`},
		{"ntlm-before-tls", dialoguetest.Offers, `
			S: * OK ready
			C: a AUTHENTICATE NTLM
			S: +
			C: TlRMTVNTUAABAAAAB4IIAA==
			S: + TlRMTVNTUAACAAAA
			C: *
			S: a BAD AUTHENTICATE cancelled
			C: b AUTHENTICATE NTLM
			S: +
			C: TlRMTVNTUAABAAAAB4IIAA==
			S: + TlRMTVNTUAACAAAA
			C: TlRMTVNTUAADAAAA
			S: b OK done
			C! c STARTTLS
			>C c BAD STARTTLS is permitted before login only
			C: d NOOP
			C: e UNAUTHENTICATE
			S: d OK
			S: e OK bye alice
			C! f STARTTLS
			>C f OK Begin TLS negotiation now
			TLS
		`},
		{"long-lines", dialoguetest.Offloads, `
			S: * OK ready
			C: a UID SEARCH ALL
			S: * SEARCH` + strings.Repeat(" 4711", 4000) + `
			S: "* 1 FETCH (ENVELOPE (` + strings.Repeat("x", 9000) + ` {3}\r\n"
			S: "{1} {1}\r\nd"
			GOODBYE no
			S: )
			S: "* OK ` + strings.Repeat("x", 9000) + ` {3}\r\n"
			GOODBYE no
			S! * CAPABILITY STARTTLS` + strings.Repeat(" X", 5000) + `
			>C * CAPABILITY` + strings.Repeat(" X", 5000) + `
			S: a OK
			GOODBYE yes
		`},
		{"login-waits-for-what-is-open", dialoguetest.Offers, `
			S: * OK ready
			C: a NOOP
			C! b AUTHENTICATE NTLM
			GOODBYE no
			S: a OK
			>S b AUTHENTICATE NTLM
			C! c NOOP
			GOODBYE no
			S: b NO
			>S c NOOP
			S: c OK
			C! d STARTTLS
			>C d OK Begin TLS negotiation now
			TLS
		`},
		{"no-farewell-while-idle-waits-for-what-is-open", dialoguetest.Offers, `
			S: * OK ready
			C: a COPY 1:* Archive
			C! b IDLE
			GOODBYE no
			S: a OK
			>S b IDLE
			GOODBYE yes
			S: + go
			GOODBYE yes
			C: DONE
			GOODBYE yes
			S: b OK
		`},
		{"literal-refused", dialoguetest.Offloads, `
			S: * OK ready
			C: a LOGIN {4096}
			S: a NO [LIMIT] too long
			C: b NOOP
			S: b OK
		`},
		{"pipelined", dialoguetest.Offloads, `
			S: * OK ready
			C: a LOGIN alice secret
			C: b SELECT INBOX
			C: c UID FETCH 1:* (FLAGS)
			C: d APPEND x {3}
			C: "abc\r\n"
			C: e NOOP
			S: a OK
			S: b OK
			S: * 1 FETCH (FLAGS () UID 1)
			S: * 2 FETCH (X {0}
			S:  Y ~{2}
			S: "}\n)\r\n"
			S: c OK
			S: + go
			S: d OK
			S: e OK {5}
			GOODBYE yes
			C: f NOOP
			S: * NO text that ends like a literal {5}
			S: f OK
		`},
	})
}

// Without Offer every octet passes as it is, and the framing is followed.
func TestWatches(t *testing.T) {
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"starttls-of-the-server", dialoguetest.Watches, `
			S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready
			GOODBYE yes
			C: a STARTTLS
			S: a OK go
			BLIND
			GOODBYE no
			C: "\x16\x03\x01\n"
			S: "\x16\x03\x03\n"
		`},
		{"starttls-refused", dialoguetest.Watches, `
			S: * OK ready
			C: a STARTTLS
			S: a BAD no
			GOODBYE yes
			C: b LOGIN alice {6+}
			C: "secret\r\n"
			S: b NO
			C: c IDLE
			S: c BAD not now
			C: d NOOP
			S: d OK
		`},
		{"bare-lf", dialoguetest.Watches, `
			S: * OK ready
			C: "a NOOP\n"
			BLIND
			S: a OK
		`},
		{"no-imap", dialoguetest.Watches, `
			S: SSH-2.0-OpenSSH_9.2
			BLIND
			C: "\x00\x01"
		`},
		{"lost-within-a-literal", dialoguetest.Watches, `
			C: "a X {9+}\r\nabc"
			S: hello
			BLIND
			C: "def\r\n\r\n"
		`},
		{"blank-line", dialoguetest.Watches, `
			S: * OK ready
			C: ` + `
			BLIND
		`},
		{"huge-literal", dialoguetest.Watches, `
			S: * OK ready
			C: a APPEND x {4294967296+}
			C: "abc"
			GOODBYE no
		`},
	})
}

func TestHostile(t *testing.T) {
	long := strings.Repeat("x", mostCommand)
	tag := strings.Repeat("t", mostTag)
	dialoguetest.PlayAll(t, New, []dialoguetest.Script{
		{"injection", dialoguetest.Offers, `
			S: * OK ready
			C! "a STARTTLS\r\nb LOGIN mallory secret\r\n"
			>C a OK Begin TLS negotiation now
			GOODBYE no
			TLS 24
			C: c NOOP
			S: c OK
		`},
		{"starttls-behind-what-is-open", dialoguetest.Offers, `
			S: * OK ready
			C: a NOOP
			C! "b STARTTLS\r\nc NOOP\r\n"
			S: a OK
			>C b OK Begin TLS negotiation now
			TLS 8
		`},
		{"password-in-literals", dialoguetest.Offers, `
			S: * OK ready
			C! "a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"
			>C a NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			C! b LOGIN {5}
			>C b NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			C: c NOOP
			S: c OK
		`},
		{"password-behind-a-literal-that-is-none", dialoguetest.Offers, `
			S: * OK ready
			C! "a ID {24+}\r\nb LOGIN alice secret....\r\n"
			>C a BAD Literals that do not wait are not offered
			C: c CAPABILITY
			S! * CAPABILITY IMAP4rev1 LITERAL+
			>C * CAPABILITY IMAP4rev1 LITERAL+ STARTTLS LOGINDISABLED
			S: c OK
			C: "d ID ({3+}\r\nabc NIL)\r\n"
			S: d OK
			C! "e ID (\"{3+}\r\nabc\r\n"
			>C e BAD Literals that do not wait are not offered
		`},
		{"password-behind-a-literal-of-an-extension", dialoguetest.Offers, `
			S: * OK ready
			C: a CAPABILITY
			S! * CAPABILITY IMAP4rev1 LITERAL+
			>C * CAPABILITY IMAP4rev1 LITERAL+ STARTTLS LOGINDISABLED
			S: a OK
			C! "b ID ~{24+}\r\nc LOGIN alice secret....\r\n"
			>C b BAD Literals that do not wait are not offered
			C: "d ID ({1+}\r\nx"
			C! " ~{24+}\r\n"
			>C * BYE literal where none can stand
			ERR imap4: client: literal where none can stand
		`},
		{"mechanisms-in-disguise", dialoguetest.Offers, `
			S: * OK ready
			C! a AUTHENTICATE "PLAIN"
			C! b authenticate pLaIn
			C! c AUTHENTICATE {5}
			C! d AUTHENTICATE XOAUTH2 dXNlcj0=
			C! e AUTHENTICATE
			>C a NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			>C b NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			>C c NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			>C d NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			>C e NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
		`},
		{"commands-in-disguise", dialoguetest.Offers, `
			S: * OK ready
			C!  a LOGIN alice secret
			C! b  LOGIN alice secret
			C! "c\tLOGIN alice secret\r\n"
			C! "d LOGIN\talice secret\r\n"
			C! e
			C! "\r\n"
			C! * LOGIN alice secret
			C! f+ LOGIN alice secret
			C! g STARTTLS now
			C! "h STARTTLS \r\n"
			>C * BAD Command is not recognised
			>C b BAD Command is not recognised
			>C * BAD Command is not recognised
			>C d BAD Command is not recognised
			>C e BAD Command is not recognised
			>C * BAD Command is not recognised
			>C * BAD Command is not recognised
			>C * BAD Command is not recognised
			>C g BAD STARTTLS takes no arguments
			>C h BAD STARTTLS takes no arguments
		`},
		{"idle-hides-a-login", dialoguetest.Offers, `
			S: * OK ready
			C: a IDLE
			C! b LOGIN alice secret
			S: a BAD not now
			>C b NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
		`},
		{"list-in-disguise", dialoguetest.Offers, `
			S! * ok [capability IMAP4rev1 starttls auth=Login auth=NTLM]
			>C * ok [capability IMAP4rev1 auth=NTLM STARTTLS LOGINDISABLED]
			S! * NO [CAPABILITY STARTTLS
			>C * NO [CAPABILITY STARTTLS LOGINDISABLED
			S: * OK [CAPABILITYX STARTTLS]
		`},
		{"bare-cr", dialoguetest.Offers, `
			S: * OK ready
			C! "a NOOP\rb LOGIN alice secret\r\n"
			>C * BYE CR or LF alone in a command line
			ERR imap4: client: CR or LF alone in a command line
		`},
		{"bare-lf", dialoguetest.Offers, `
			S: * OK ready
			C! "a NOOP\n"
			>C * BYE CR or LF alone in a command line
			ERR imap4: client: CR or LF alone in a command line
		`},
		{"endless-line", dialoguetest.Offers, `
			S: * OK ready
			C! "` + long + `"
			>C * BYE command line longer than 65536 octets
			ERR imap4: client: command line longer than 65536 octets
		`},
		{"literal-4096", dialoguetest.Offloads, `
			S: * OK ready
			C: a X {4096}
			S: a NO
			C! a X {4097}
			>C * BYE literal longer than 4096 octets before login
			ERR imap4: client: literal longer than 4096 octets before login
		`},
		{"literal-2g", dialoguetest.Offers, `
			S: * OK ready
			C! a LOGIN {2147483648+}
			>C * BYE literal longer than 4096 octets before login
			ERR imap4: client: literal longer than 4096 octets before login
		`},
		{"literal-without-end", dialoguetest.Offers, `
			S: * OK ready
			C! a LOGIN {99999999999999999999999}
			>C * BYE literal longer than 4096 octets before login
			ERR imap4: client: literal longer than 4096 octets before login
		`},
		{"literal-where-none-can-stand", dialoguetest.Offloads, `
			S: * OK ready
			C! a X y{5+}
			>C * BYE literal where none can stand
			ERR imap4: client: literal where none can stand
		`},
		{"literal-in-quotes-behind-another", dialoguetest.Offloads, `
			S: * OK ready
			C: "a X {1+}\r\na"
			C! "\"{5+}\r\n"
			>C * BYE literal where none can stand
			ERR imap4: client: literal where none can stand
		`},
		{"literal-behind-an-answer", dialoguetest.Offloads, `
			S: * OK ready
			C: a X {1+}
			S: a BAD what?
			C: "a"
			C!  {5}
			>C * BYE literal where none can stand
			ERR imap4: client: literal where none can stand
		`},
		{"literal-while-others-are-open", dialoguetest.Offloads, `
			S: * OK ready
			C: a NOOP
			C: "b X {1+}\r\na"
			C: "(\"\\\"\" {1}\r\nb"
			C:  c)
			S: a OK
			S: + go
			S: b OK
			GOODBYE yes
		`},
		{"huge-literal-of-what-is-refused", dialoguetest.Offers, `
			S: * OK ready
			C! a LOGIN {1+}
			C! "b {4097+}\r\n"
			>C a NO [PRIVACYREQUIRED] Must issue a STARTTLS command first
			>C * BYE literal longer than 4096 octets before login
			ERR imap4: client: literal longer than 4096 octets before login
		`},
		{"endless-greeting", dialoguetest.Offers, `
			S! "* OK ` + strings.Repeat("x", 8192) + `"
			>C * BYE greeting longer than 8192 octets
			ERR imap4: server: greeting longer than 8192 octets
		`},
		{"marks-that-are-none", dialoguetest.Offloads, `
			S: * OK ready
			C: a X {}
			C: b X {+}
			C: c X {x}
			S: a BAD
			S: b BAD
			S: c BAD
			GOODBYE yes
		`},
		{"answers-nobody-asked-for", dialoguetest.Offloads, `
			S: * OK ready
			S: + what
			S: x OK
			S: ` + `
			S: x EXISTS
			C: a NOOP
			S: a OK
			GOODBYE yes
		`},
		{"tag-256", dialoguetest.Offers, `
			S: * OK ready
			C: ` + tag + ` NOOP
			S: ` + tag + ` OK
			C! ` + tag + `t NOOP
			>C * BAD Command is not recognised
		`},
		{"no-greeting", dialoguetest.Offers, `
			S! * 5 EXISTS
			>C * BYE greeting that is none
			ERR imap4: server: greeting that is none
		`},
		{"talks-first", dialoguetest.Offers, `
			C! "a STARTTLS\r\nb NOOP\r\n"
			S: * OK ready
			>C a OK Begin TLS negotiation now
			TLS 8
		`},
		{"many-capabilities", dialoguetest.Offers, `
			S: * OK ready
			S! * CAPABILITY` + strings.Repeat(" A", 10001) + `
			>C * BYE more than 10000 capabilities
			ERR imap4: server: more than 10000 capabilities
		`},
		{"endless-status", dialoguetest.Offers, `
			S: * OK ready
			S! "* OK ` + long + `"
			>C * BYE status or capabilities longer than 65536 octets
			ERR imap4: server: status or capabilities longer than 65536 octets
		`},
	})
}
