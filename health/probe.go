// Package health asks each service whether it works, in its own protocol, and
// keeps the state of the services by the answers.
package health

import "context"

// A Probe asks a service one question. Probes are stateless: counting good and
// bad answers is the business of the Monitor that calls them.
type Probe interface {
	// Check returns nil if the service gave the right answer. It returns soon
	// after ctx ends and leaves no goroutine or connection behind.
	Check(ctx context.Context) error
}

// NoProbe takes a service for good unseen.
type NoProbe struct{}

// Check returns nil.
func (NoProbe) Check(context.Context) error { return nil }
