package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"casbah/route"
)

// accessQueue is how many records may wait for the disk. When it is full,
// records are dropped and counted: a slow disk must not slow down mail.
const accessQueue = 8192

// accessFlush is how long a record may wait in memory, and accessBatch how many
// of them: a writer that woke for every record would cost more than the record
// (docs/PERFORMANCE.md).
const (
	accessFlush = 200 * time.Millisecond
	accessBatch = 512
)

// accessLog writes one JSON record per request or relayed connection, off the
// data path.
type accessLog struct {
	queue chan *accessEntry
	batch chan struct{}     // the writer has enough to do
	free  chan *accessEntry // written, to be used again
	done  chan struct{}
	close func() error
}

// accessEntry is a record with memory of its own.
type accessEntry struct {
	route.Record
	text [512]byte // the record's slices, cut where they do not fit
}

// openAccessLog opens the log that [log] access names; nil for "off".
func openAccessLog(target string) (*accessLog, error) {
	switch target {
	case "off":
		return nil, nil //nolint:nilnil // no log is no error
	case "stderr":
		return newAccessLog(os.Stderr, func() error { return nil }), nil
	case "stdout":
		return newAccessLog(os.Stdout, func() error { return nil }), nil
	}
	f, err := os.OpenFile(target, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // readable by the log's group
	if err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	return newAccessLog(f, f.Close), nil
}

func newAccessLog(w io.Writer, closeFile func() error) *accessLog {
	l := &accessLog{
		queue: make(chan *accessEntry, accessQueue),
		batch: make(chan struct{}, 1),
		free:  make(chan *accessEntry, 4*accessBatch),
		done:  make(chan struct{}),
		close: closeFile,
	}
	go l.write(w)
	return l
}

// record copies r into the queue; it reports false if the queue is full. It
// must not be called after stop.
func (l *accessLog) record(r *route.Record) bool {
	e := l.entry()
	e.Record = *r
	rest := e.text[:0]
	keep := func(b []byte) []byte {
		n := min(len(b), cap(rest)-len(rest))
		start := len(rest)
		rest = append(rest, b[:n]...)
		return rest[start:len(rest):len(rest)]
	}
	e.Method, e.Host, e.Path = keep(r.Method[:min(len(r.Method), 32)]), keep(r.Host[:min(len(r.Host), 128)]), keep(r.Path)
	select {
	case l.queue <- e:
		if len(l.queue) >= accessBatch {
			l.hurry()
		}
		return true
	default:
		l.keep(e)
		return false
	}
}

// entry returns one that is free, or a new one.
func (l *accessLog) entry() *accessEntry {
	select {
	case e := <-l.free:
		return e
	default:
		return new(accessEntry)
	}
}

// keep makes e free, unless there are enough that are.
func (l *accessLog) keep(e *accessEntry) {
	select {
	case l.free <- e:
	default:
	}
}

// hurry wakes the writer before its time.
func (l *accessLog) hurry() {
	select {
	case l.batch <- struct{}{}:
	default:
	}
}

// stop writes what waits and closes the log.
func (l *accessLog) stop() error {
	close(l.queue)
	l.hurry()
	<-l.done
	return l.close()
}

func (l *accessLog) write(w io.Writer) {
	defer close(l.done)
	buf := bufio.NewWriterSize(w, 64<<10)
	out := zerolog.New(buf)
	tick := time.NewTicker(accessFlush)
	defer tick.Stop()
	for open := true; open; {
		select {
		case <-tick.C:
		case <-l.batch:
		}
		open = l.drain(&out)
		buf.Flush() // a log that cannot be written has nowhere to say so
	}
}

// drain writes what is in the queue, and reports whether more may come.
func (l *accessLog) drain(out *zerolog.Logger) bool {
	var text [64]byte
	for {
		select {
		case e, ok := <-l.queue:
			if !ok {
				return false
			}
			writeRecord(out, &e.Record, text[:0])
			l.keep(e)
		default:
			return true
		}
	}
}

// writeRecord writes the fields in the order that docs/OPERATIONS.md lists. It
// writes text in between.
func writeRecord(out *zerolog.Logger, r *route.Record, text []byte) {
	e := out.Log().
		Bytes("time", time.Unix(0, r.Finish).UTC().AppendFormat(text, "2006-01-02T15:04:05.000Z")).
		Str("vip", r.VIP).Str("profile", r.Profile).
		Bytes("client", r.Client.AppendTo(text))
	if r.Source.IsValid() && r.Source != r.Client.Addr() {
		e = e.Str("source", r.Source.String())
	}
	e = e.Str("server", r.Server)
	switch {
	case !r.Relayed:
		e = e.Bytes("method", r.Method).Bytes("host", r.Host).Bytes("path", r.Path).
			Int("status", r.Status)
	case len(r.Host) > 0:
		e = e.Bytes("host", r.Host)
	}
	e = e.Str("step", r.Step).Str("why", r.Why).
		Int64("in", r.In).Int64("out", r.Out)
	if r.First != 0 {
		e = e.Float64("first", seconds(r.First-r.Begin))
	}
	e = e.Float64("duration", seconds(r.Finish-r.Begin)).
		Str("end", r.End.String()).Int("attempts", r.Attempts)
	if r.Pinned {
		e = e.Bool("pinned", true)
	}
	if r.Cookieless {
		e = e.Bool("cookieless", true)
	}
	if r.Split {
		e = e.Bool("split", true)
	}
	e.Send()
}

// seconds turns nanoseconds into seconds with microseconds.
func seconds(ns int64) float64 { return float64(ns/1000) / 1e6 }
