package datagram

import "sync"

// buffer holds one datagram.
type buffer [Most]byte

// buffers are those of servers' answers on their way: no more than goroutines
// pass one on at a moment.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer {
	return buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
}
