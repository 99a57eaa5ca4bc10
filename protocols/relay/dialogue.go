package relay

import (
	"sync"

	"casbah/internal/maildialogue"
	"casbah/protocols/imap4"
	"casbah/protocols/pop3"
	"casbah/protocols/smtp"
)

type (
	// Options say what is done for a session.
	Options = maildialogue.Options
	// Effect is what a dialogue has the relay do.
	Effect = maildialogue.Effect
)

// Dialogue follows what the two sides of a connection say, octets that are offered
// again until it has used them, and says what becomes of them: see maildialogue
// for what the relay does with an Effect. Without Options.Offer and Protocol.Edits
// it sends what it uses as it was, and nothing else: then the relay passes on what
// the dialogue has not used yet.
type Dialogue interface {
	FromClient(p []byte, e *Effect) (used int, err error)
	FromServer(p []byte, e *Effect) (used int, err error)
	// Secured tells that TLS is up on the client's leg, and how many octets were
	// dropped for it.
	Secured(dropped int)
	// Goodbye appends a farewell to what the client is told and ends the dialogue,
	// if the session is at a point where it can end.
	Goodbye(dst []byte) (out []byte, ok bool)
	// Timeout is Goodbye to a client that has been idle for too long.
	Timeout(dst []byte) (out []byte, ok bool)
	// Rest appends what it has used of the server and not sent yet, which sends
	// nothing more.
	Rest(dst []byte) []byte
	// Release gives the dialogue back. It is the last call.
	Release()
}

// Upstream begins TLS towards a server, before the dialogue: it is offered what
// the server says until it has the relay begin TLS. Then the dialogue is offered
// the greeting.
type Upstream interface {
	FromServer(p []byte, e *Effect) (used int, err error)
	Greeting() []byte
}

// Protocol makes the dialogues of one protocol, and pools them.
type Protocol struct {
	Begin    func(Options) Dialogue
	Upstream func() Upstream // nil: TLS does not begin within the protocol
	Nobody   string          // what a client is told in place of the greeting where no server is up; empty: nothing, it is reset
	Busy     string          // likewise where no server has a place for the client
	Edits    bool            // what passes may be changed or held back, whatever the options say
}

// IMAP4 returns the protocol of that name.
func IMAP4() *Protocol {
	return &Protocol{Begin: beginIMAP4, Upstream: func() Upstream { return imap4.NewUpstream() }, Nobody: "* BYE [UNAVAILABLE] no server is up\r\n", Busy: "* BYE [UNAVAILABLE] too many sessions are open, try again later\r\n"}
}

// POP3 returns the protocol of that name.
func POP3() *Protocol {
	return &Protocol{Begin: beginPOP3, Upstream: func() Upstream { return pop3.NewUpstream() }, Nobody: "-ERR [SYS/TEMP] no server is up\r\n", Busy: "-ERR [SYS/TEMP] too many sessions are open, try again later\r\n"}
}

// SMTP returns the protocol of that name; name is what servers are told as that of
// casbah before TLS, a domain or an address literal.
func SMTP(name string) *Protocol {
	return &Protocol{Begin: beginSMTP, Upstream: func() Upstream { return smtp.NewUpstream(name) }, Nobody: "421 4.3.2 no server is up\r\n", Busy: "421 4.3.2 too many sessions are open, try again later\r\n"}
}

// The dialogues of mail, out of pools. They hold nothing back.
type (
	imap4Dialogue struct{ imap4.Dialogue }
	pop3Dialogue  struct{ pop3.Dialogue }
	smtpDialogue  struct{ smtp.Dialogue }
)

var (
	imap4Dialogues = sync.Pool{New: func() any { return new(imap4Dialogue) }}
	pop3Dialogues  = sync.Pool{New: func() any { return new(pop3Dialogue) }}
	smtpDialogues  = sync.Pool{New: func() any { return new(smtpDialogue) }}
)

func beginIMAP4(o Options) Dialogue {
	s := imap4Dialogues.Get().(*imap4Dialogue) //nolint:forcetypeassert // the pool holds nothing else
	s.Dialogue = *imap4.New(o)
	return s
}

func beginPOP3(o Options) Dialogue {
	s := pop3Dialogues.Get().(*pop3Dialogue) //nolint:forcetypeassert // the pool holds nothing else
	s.Dialogue = *pop3.New(o)
	return s
}

func beginSMTP(o Options) Dialogue {
	s := smtpDialogues.Get().(*smtpDialogue) //nolint:forcetypeassert // the pool holds nothing else
	s.Dialogue = *smtp.New(o)
	return s
}

// Rest implements Dialogue.
func (*imap4Dialogue) Rest(dst []byte) []byte { return dst }

// Rest implements Dialogue.
func (*pop3Dialogue) Rest(dst []byte) []byte { return dst }

// Rest implements Dialogue.
func (*smtpDialogue) Rest(dst []byte) []byte { return dst }

// Release implements Dialogue.
func (s *imap4Dialogue) Release() {
	s.Dialogue = imap4.Dialogue{}
	imap4Dialogues.Put(s)
}

// Release implements Dialogue.
func (s *pop3Dialogue) Release() {
	s.Dialogue = pop3.Dialogue{}
	pop3Dialogues.Put(s)
}

// Release implements Dialogue.
func (s *smtpDialogue) Release() {
	s.Dialogue = smtp.Dialogue{}
	smtpDialogues.Put(s)
}
