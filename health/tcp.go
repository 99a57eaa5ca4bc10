package health

import (
	"context"

	"casbah/balance"
)

// TCPProbe takes a service for good that accepts a connection, and completes the
// TLS handshake where the endpoint has TLS.
type TCPProbe struct {
	Endpoint *balance.Endpoint
}

// Check connects and closes.
func (p *TCPProbe) Check(ctx context.Context) error {
	_, release, err := dial(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	release()
	return nil
}
