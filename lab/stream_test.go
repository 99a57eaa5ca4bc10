package lab

import (
	"bufio"
	"context"
	"net/http"
	"strings"
)

// stream sends a request and returns the lines of the answer as they come. The
// request ends with the test.
func (b *browser) stream(method, address, body string, fields ...string) <-chan string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := b.Do(r) //nolint:bodyclose // whoever reads the lines closes it
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("stream = %s; want 200", resp.Status)
	}
	lines, done := make(chan string), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		defer resp.Body.Close()
		scan := bufio.NewScanner(resp.Body)
		for scan.Scan() {
			select {
			case lines <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	b.t.Cleanup(func() { cancel(); <-done })
	return lines
}
