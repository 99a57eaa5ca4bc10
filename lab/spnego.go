package lab

import (
	"bytes"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"casbah/protocols/ntlm"
)

// Tags of SPNEGO tokens (RFC 4178, Section 4.2).
const (
	tagGSSAPI        = 0x60 // a client's first token
	tagResp          = der.Tag(0xa1)
	tagState         = der.Tag(0xa0)
	tagMechanism     = der.Tag(0xa1)
	tagResponseToken = der.Tag(0xa2)
)

// States of a negotiation (RFC 4178, Section 4.2.2).
const (
	acceptCompleted  = 0
	acceptIncomplete = 1
)

// mechanismNTLM is NTLM's name in SPNEGO ([MS-SPNG], Section 1.9).
var mechanismNTLM = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}

// derNTLM is mechanismNTLM as it stands in a token.
var derNTLM = []byte("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a")

// errToken is a token from which no NTLM handshake can begin or go on.
var errToken = errors.New("lab: token without NTLM")

// envelope is what an NTLM message came in, and goes back in.
type envelope struct {
	spnego         bool // else bare NTLM
	first          bool // the client's first token: the answer names the mechanism
	wantsMechanism bool // NTLM is offered, but the token in it is of another mechanism
}

// openEnvelope returns the NTLM message of a token. A client that prefers
// Kerberos but offers NTLM has none in its first token and is to be asked for it.
func openEnvelope(token []byte) ([]byte, envelope, error) {
	if ntlm.TypeOf(token) != ntlm.None {
		return token, envelope{}, nil
	}
	e := envelope{spnego: true, first: len(token) > 0 && token[0] == tagGSSAPI}
	message, ok := ntlm.UnwrapRaw(token)
	if !ok {
		e.wantsMechanism = e.first && bytes.Contains(token, derNTLM)
		if !e.wantsMechanism {
			return nil, envelope{}, errToken
		}
	}
	return message, e, nil
}

// wrap returns message as the envelope demands.
func (e envelope) wrap(message []byte) []byte {
	if !e.spnego {
		return message
	}
	return negTokenResp(acceptIncomplete, e.first, message)
}

// chooseNTLM answers a client that has offered NTLM and sent something else.
func (e envelope) chooseNTLM() []byte { return negTokenResp(acceptIncomplete, true, nil) }

// complete returns the token that ends a negotiation, nil if none is due.
func (e envelope) complete() []byte {
	if !e.spnego {
		return nil
	}
	return negTokenResp(acceptCompleted, false, nil)
}

// negTokenResp lays out a NegTokenResp (RFC 4178, Section 4.2.2).
func negTokenResp(state int64, nameMechanism bool, message []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tagResp, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagState, func(b *cryptobyte.Builder) { b.AddASN1Enum(state) })
			if nameMechanism {
				b.AddASN1(tagMechanism, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(mechanismNTLM) })
			}
			if message != nil {
				b.AddASN1(tagResponseToken, func(b *cryptobyte.Builder) { b.AddASN1OctetString(message) })
			}
		})
	})
	return b.BytesOrPanic()
}
