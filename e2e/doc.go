// Package e2e holds tests of casbah as a whole: a node in front of the
// simulated array, over real sockets, and, where CASBAH_REAL is set, the binary
// with real clients.
package e2e
