package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"casbah/lab"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"casbah": main})
}

// TestScripts runs testdata/*.txt: what an operator types, and what is said.
//
// Each script finds a certificate in lab.pem and lab.key and another one in
// other/, free addresses with ports in $FREE1 to $FREE7, and one that is taken in
// $BUSY. What it may use besides the commands of testscript:
//
//	exits CODE casbah ARGS...   the command ends with that exit code
//	answers STATUS URL [TEXT]   the URL is answered so, soon, and the page holds TEXT
//	fill FILE                   variables in the file become what they stand for
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "answers": answers, "fill": fill,
		},
	})
}

// setup makes what scripts find.
func setup(e *testscript.Env) error {
	other := filepath.Join(e.WorkDir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{e.WorkDir, other} {
		if _, _, err := lab.Certificate(dir); err != nil {
			return err
		}
	}
	busy, err := listen()
	if err != nil {
		return err
	}
	e.Defer(func() { _ = busy.Close() })
	e.Setenv("BUSY", busy.Addr().String())
	e.Setenv("GORACE", "atexit_sleep_ms=0") // the default is a second for each command
	for i := range 7 {
		free, err := listen()
		if err != nil {
			return err
		}
		e.Setenv("FREE"+strconv.Itoa(i+1), free.Addr().String())
		_ = free.Close()
	}
	return nil
}

// listened counts what listen has opened.
var listened atomic.Uint32

// listen opens a listener on a loopback address of its own, so that nothing else
// takes the port once it is closed.
func listen() (net.Listener, error) {
	n := listened.Add(1)
	return net.Listen("tcp", fmt.Sprintf("127.8.%d.%d:0", n/250, 1+n%250))
}

// exits runs a command and fails unless it ends with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok { // testscript hands on what os/exec returned
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s: exit code %d; want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// fill replaces the variables in a file.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fill FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// answerTime is how long a command may take to begin to answer.
const answerTime = 20 * time.Second

// answers waits until a URL is answered with a status and a text.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: answers STATUS URL [TEXT]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	// The lab makes its certificate as it starts.
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	got := ""
	for ctx.Err() == nil {
		status, body, err := fetch(ctx, &http.Client{Transport: tr}, args[1])
		if strconv.Itoa(status) == args[0] && (len(args) == 2 || strings.Contains(body, args[2])) {
			return
		}
		got = fmt.Sprintf("%d %.300q, %v", status, body, err)
		time.Sleep(10 * time.Millisecond) // between attempts
	}
	ts.Fatalf("%s: %s; want %s", args[1], got, strings.Join(args, " "))
}

func fetch(ctx context.Context, c *http.Client, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
