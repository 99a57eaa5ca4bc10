package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is the casbah under test.
type daemon struct {
	cmd    *exec.Cmd
	page   string // URL of the admin listener
	log    string // file of what it writes to standard error
	client *http.Client
	ended  chan struct{} // closed when the process has ended
}

// status is what is read of /api/v1/status.
type status struct {
	Connections int       `json:"connections"`
	Loaded      time.Time `json:"loaded"`
	ReloadError string    `json:"reload_error"`
	Panics      int       `json:"panics"`
	Engine      struct {
		Goroutines int `json:"goroutines"`
	} `json:"engine"`
	Pools []struct {
		Servers []struct {
			Services []struct {
				State string `json:"state"`
			} `json:"services"`
		} `json:"servers"`
	} `json:"pools"`
}

// built returns where buildCasbah leaves its binary.
func built(dir string) string { return filepath.Join(dir, "casbah") }

// buildCasbah builds casbah, with the race detector or as it ships.
func buildCasbah(ctx context.Context, dir string, race bool) (string, error) {
	path, cgo := built(dir), "CGO_ENABLED=0"
	if race {
		cgo = "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(ctx, "go", "build", fmt.Sprintf("-race=%t", race), "-o", path, "casbah/cmd/casbah") //nolint:gosec // path is ours
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// startDaemon starts binary with the configuration conf. It runs until stop; the
// end of the context that a signal ends must not take it away from the report.
func startDaemon(binary, conf, page, log string) (*daemon, error) {
	f, err := os.Create(log) //nolint:gosec // in a directory of our own
	if err != nil {
		return nil, err
	}
	defer f.Close() // the process has its own
	d := &daemon{page: page, log: log, ended: make(chan struct{})}
	d.client = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}
	d.cmd = exec.Command(binary, "serve", "-c", conf) //nolint:gosec,noctx // what the options name; see above
	d.cmd.Stderr = f
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // ^C is for us
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go d.wait()
	return d, nil
}

func (d *daemon) wait() {
	defer close(d.ended)
	_ = d.cmd.Wait() // what it says is in ProcessState
}

// running reports whether the process has not ended.
func (d *daemon) running() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// stop has the process end as an operator does, and returns why that is no
// clean end.
func (d *daemon) stop() error {
	if !d.running() {
		return fmt.Errorf("casbah has ended by itself: %v", d.cmd.ProcessState)
	}
	d.client.CloseIdleConnections()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case <-d.ended:
	case <-over.C:
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("casbah has not ended %v after SIGTERM", patience)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("casbah ended with %v", d.cmd.ProcessState)
	}
	return nil
}

// complaints returns the lines of its log that tell of a fault in the program.
func (d *daemon) complaints() ([]string, error) {
	f, err := os.Open(d.log)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	var found []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		for _, word := range []string{"DATA RACE", "panic", "fatal error", "BUG:"} {
			if strings.Contains(lines.Text(), word) {
				found = append(found, fmt.Sprintf("%s:%d: %s", d.log, n, lines.Text()))
				break
			}
		}
	}
	return found, lines.Err()
}

// status asks casbah how it is.
func (d *daemon) status(ctx context.Context) (*status, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.page+"/api/v1/status", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // only read
	s := new(status)
	return s, json.NewDecoder(resp.Body).Decode(s)
}

// until waits until a status is as wanted. It returns the last one, and an error
// if that is not.
func (d *daemon) until(ctx context.Context, holds func(*status) bool) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	var last *status
	for {
		s, err := d.status(ctx)
		if err == nil && holds(s) {
			return s, nil
		}
		if err == nil {
			last = s
		}
		select {
		case <-ctx.Done():
			return last, errors.Join(fmt.Errorf("not within %v", patience), err)
		case <-d.ended:
			return last, fmt.Errorf("casbah has ended: %v", d.cmd.ProcessState)
		case <-pace.C:
		}
	}
}

// files counts the open files of the process by what they are.
type files struct{ sockets, pipes, others int }

func (d *daemon) files() (files, error) {
	dir := fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return files{}, err
	}
	var f files
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(to, "socket:"):
			f.sockets++
		case strings.HasPrefix(to, "pipe:"):
			f.pipes++
		default:
			f.others++
		}
	}
	return f, nil
}

// resident returns the octets of resident memory.
func (d *daemon) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm is %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
