// Package maildialogue holds what the dialogues of IMAP4, POP3 and SMTP share:
// what they are told and answer, lines within bounds, bodies that end with a
// dot, words, and the common part of their state. It does no I/O.
//
// A dialogue is offered the octets of both directions of one session, the same
// octets again until it has used them, and answers by an Effect. What a relay
// does with a call is in this order:
//
//  1. It drops the used octets and sends ToServer and ToClient.
//  2. On an error it closes both legs, once ToClient has left.
//  3. On StartTLS it drops what else it has read from that leg, begins TLS on it
//     and calls Secured; meanwhile it reads nothing from either leg.
//  4. It passes on PassClient octets of the client and PassServer of the server,
//     unread, beginning with those behind the used ones.
//  5. It stops reading from the client on HoldClient; on ResumeClient it offers
//     what FromClient had left, if it can before it offers more of the server.
//  6. It calls again with what is left, until nothing is used and nothing passes.
package maildialogue

// Options say what a relay does for a session.
type Options struct {
	Secure       bool // the client leg is encrypted
	Offer        bool // the relay ends TLS of the client leg: it rewrites lists and answers STARTTLS; without, all octets pass as they are
	ServerSecure bool // the leg to the server is encrypted
	Require      bool // with Offer: before TLS nothing is let through but what asks for it, for the list of capabilities, or for the end
}

// Effect is what a relay is to do. One may serve all calls, with Reset between.
type Effect struct {
	ToClient, ToServer     []byte // to send; dialogues append
	PassClient, PassServer int64  // octets of that side that pass unread; -1: all up to the end, behind those that still do
	StartTLS               bool   // begin TLS: on the client leg for a Dialogue, on the server's for an Upstream
	HoldClient             bool   // what FromClient left waits for the server
	ResumeClient           bool   // it waits no longer
}

// Reset empties e and keeps its buffers.
func (e *Effect) Reset() {
	*e = Effect{ToClient: e.ToClient[:0], ToServer: e.ToServer[:0]}
}

// Stops reports whether e is to be carried out before a dialogue goes on.
func (e *Effect) Stops() bool {
	return e.StartTLS || e.HoldClient || e.ResumeClient || e.PassClient != 0 || e.PassServer != 0
}
