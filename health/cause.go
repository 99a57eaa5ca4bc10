package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// Cause is what was wrong with the answer to a probe, in one word.
type Cause uint8

// The causes. The zero value is the right answer.
const (
	Right     Cause = iota
	Unreached       // no connection
	Untrusted       // no TLS: a certificate, a version
	Timeout         // no answer in time
	Closed          // the connection ended before the answer did
	Wrong           // another answer than the right one
	Off             // the server has taken the service out of work in an orderly way
	Misrouted       // another server answered
	Refused         // the account of the probe
	numCauses
)

// Causes are all but Right.
var Causes = []Cause{Unreached, Untrusted, Timeout, Closed, Wrong, Off, Misrouted, Refused}

// String returns the cause's word in status, logs and metrics.
func (c Cause) String() string {
	words := [...]string{"right", "unreached", "tls", "timeout", "closed", "wrong", "off", "misrouted", "account"}
	return words[c]
}

// ErrTimeout is in the error of a probe whose time was over.
var ErrTimeout = errors.New("no answer in time")

// ErrOff is in the error of a probe to whom the server says that it takes no new
// clients, while it works on for those that it has.
var ErrOff = errors.New("the server has taken it out of service")

// ErrRefused is in the error of a probe whose account the server does not let in.
var ErrRefused = errors.New("the server refuses the account of the probe")

// errClosed is in the error of a probe whose connection ended too early.
var errClosed = errors.New("the server closed the connection")

// MisroutedError is the answer of another server than the one that was asked: the
// address of the configuration, or a device in between, leads elsewhere.
type MisroutedError struct {
	Want, Got string // names of servers
}

// Error says what to look at.
func (e *MisroutedError) Error() string {
	return fmt.Sprintf("misrouted: want an answer of %s, got one of %s: is the server's address right?", e.Want, e.Got)
}

// The steps of a probe that tell a cause.
const (
	stepConnect = "connect"
	stepTLS     = "TLS"
)

// stepError is an error in a step of a probe, in words for the page.
type stepError struct {
	name string
	err  error
}

func (e *stepError) Error() string { return e.name + ": " + e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

// step says in which step of a probe err came, in words for the page. It leaves
// out the addresses that package net puts around a cause: the page has them.
func step(ctx context.Context, name string, err error) error {
	if e, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && e.Timeout() {
		return &stepError{name, ErrTimeout}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &stepError{name, fmt.Errorf("%w: %w", errClosed, err)}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return &stepError{name, errno}
	}
	return &stepError{name, err}
}

// CauseOf returns what err, of a probe, comes to.
func CauseOf(err error) Cause {
	if err == nil {
		return Right
	}
	if _, ok := errors.AsType[*MisroutedError](err); ok {
		return Misrouted
	}
	at, _ := errors.AsType[*stepError](err)
	_, broken := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, ErrOff):
		return Off
	case errors.Is(err, ErrRefused):
		return Refused
	case at != nil && at.name == stepConnect:
		return Unreached
	case errors.Is(err, ErrTimeout):
		return Timeout
	case at != nil && at.name == stepTLS:
		return Untrusted
	case errors.Is(err, errClosed), broken:
		return Closed
	default:
		return Wrong
	}
}
