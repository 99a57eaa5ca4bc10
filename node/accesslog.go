package node

import (
	"bufio"
	"context"
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
	again chan chan error // to open the file again; answered when it is done
	file  *os.File        // that the writer writes to; nil: not one of casbah's own
	lost  func(error)     // is told when the log cannot be written
}

// accessEntry is a record with memory of its own.
type accessEntry struct {
	route.Record
	text [512]byte // the record's slices, cut where they do not fit
}

// openAccessLog opens the log that [log] access names; nil for "off".
func openAccessLog(target string, lost func(error)) (*accessLog, error) {
	switch target {
	case "off":
		return nil, nil //nolint:nilnil // no log is no error
	case "stderr":
		return newAccessLog(os.Stderr, nil, lost), nil
	case "stdout":
		return newAccessLog(os.Stdout, nil, lost), nil
	}
	f, err := openAccessFile(target)
	if err != nil {
		return nil, err
	}
	return newAccessLog(f, f, lost), nil
}

func openAccessFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // readable by the log's group
	if err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	return f, nil
}

// newAccessLog writes to w; file is the same if w is a file to be closed and opened
// again, else nil.
func newAccessLog(w io.Writer, file *os.File, lost func(error)) *accessLog {
	l := &accessLog{
		queue: make(chan *accessEntry, accessQueue),
		batch: make(chan struct{}, 1),
		free:  make(chan *accessEntry, 4*accessBatch),
		done:  make(chan struct{}),
		again: make(chan chan error),
		file:  file,
		lost:  lost,
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
	e.User = keep(r.User)
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
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// reopen has the writer go on in a new file of the same name, once what was
// recorded until now is in the old one: whoever renames the file rotates it. On an
// error the old one stays in use.
func (l *accessLog) reopen(ctx context.Context) error {
	answer := make(chan error, 1) // the writer does not wait for who has gone
	select {
	case l.again <- answer:
	case <-l.done:
		return nil // it is stopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err() // the disk stands still
	}
}

// turn opens the file again, for the writer.
func (l *accessLog) turn() error {
	if l.file == nil {
		return nil
	}
	next, err := openAccessFile(l.file.Name())
	if err != nil {
		return err
	}
	last := l.file
	l.file = next
	return last.Close()
}

func (l *accessLog) write(w io.Writer) {
	defer close(l.done)
	buf := bufio.NewWriterSize(w, 64<<10)
	out := zerolog.New(quiet{buf})
	tick := time.NewTicker(accessFlush)
	defer tick.Stop()
	for open := true; open; {
		var turn chan error
		select {
		case <-tick.C:
		case <-l.batch:
		case turn = <-l.again:
		}
		open = l.drain(&out)
		if err := buf.Flush(); err != nil {
			l.lost(err)
			buf.Reset(w) // or no later record would be written either
		}
		if turn != nil {
			turn <- l.turn()
			if l.file != nil {
				w = l.file
				buf.Reset(w)
			}
		}
	}
}

// quiet is a buffer whose error Flush alone tells: a logger that met it would
// complain on standard error, once for each record.
type quiet struct{ buf *bufio.Writer }

// Write takes a record, or loses it.
func (q quiet) Write(record []byte) (int, error) {
	_, _ = q.buf.Write(record) // Flush has it
	return len(record), nil
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
	if r.Waited != 0 {
		e = e.Float64("waited", seconds(r.Waited))
	}
	if r.Pinned {
		e = e.Bool("pinned", true)
	}
	if len(r.User) > 0 {
		e = e.Bytes("user", r.User)
	}
	if r.HTTP2 {
		e = e.Bool("http2", true)
	}
	if r.Cookieless {
		e = e.Bool("cookieless", true)
	}
	if r.Shield != "" {
		e = e.Str("shield", r.Shield)
	}
	if r.Split {
		e = e.Bool("split", true)
	}
	e.Send()
}

// seconds turns nanoseconds into seconds with microseconds.
func seconds(ns int64) float64 { return float64(ns/1000) / 1e6 }
