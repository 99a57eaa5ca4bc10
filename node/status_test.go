package node

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// promptly fails unless f returns while another goroutine holds what f must not
// wait for.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s waits", what)
	}
}

// A reload may take long: it looks up names. Nobody who asks how things are waits
// for it.
func TestStatusDoesNotWaitForAReload(t *testing.T) {
	r := newRig(t, t.TempDir(), fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail")+unprobed)
	r.reload.Lock()
	defer r.reload.Unlock()
	promptly(t, "Status", func() {
		if st := r.Status(); len(st.VIPs) != 1 || len(st.VIPs[0].Listen) != 1 {
			t.Errorf("Status = %+v; want the VIP with its address", st)
		}
	})
	promptly(t, "VIPUp", func() { r.VIPUp("mail") })
	promptly(t, "Ready", func() { r.Ready() })
	promptly(t, "Addrs", func() { r.Addrs("mail") })
}

// Nor for a drain: that is when an operator looks at the page. A reload is
// refused meanwhile, at once.
func TestStatusDoesNotWaitForADrain(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := newRig(t, t.TempDir(), fmt.Sprintf(poolText+vipText, server.Addr(), noServer(t), "", "mail")+unprobed)
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	client, err := net.Dial("tcp", r.Addrs("mail")[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fmt.Fprint(client, "GET /owa/ HTTP/1.1\r\nHost: h\r\n\r\n")
	upstream, err := server.Accept() // the other server refuses, and the request comes here
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.Stop(time.Hour)
	}()
	r.stop = func() {}
	r.until("the listener is closed", func() bool { return len(r.Addrs("mail")) == 0 })
	promptly(t, "Status", func() {
		if st := r.Status(); st.Ready || !st.Stopping || st.Connections != 1 || len(st.VIPs) != 1 || len(st.VIPs[0].Listen) != 0 {
			t.Errorf("Status = %+v; want one connection, and no listener", st)
		}
	})
	promptly(t, "Reload", func() {
		if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "stopping") {
			t.Errorf("Reload = %v; want it refused", err)
		}
	})
	fmt.Fprint(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	if answer, err := io.ReadAll(client); err != nil || !strings.HasSuffix(string(answer), "ok") {
		t.Errorf("the open request got %q, %v", answer, err)
	}
	_ = client.Close()
	promptly(t, "Stop", func() { <-stopped })
}

// Panic is seen where an operator looks.
func TestStatusTellsOfPanic(t *testing.T) {
	for _, tt := range []struct {
		name, pool, second string
		panics             []string
		up                 bool
	}{
		{"all-down-and-off", "", "down", nil, false},
		{"all-down", "panic_below = 50", "down", []string{"owa"}, true},
		{"half-up", "panic_below = 50", "up", nil, true},
		{"half-up-is-too-few", "panic_below = 51", "up", []string{"owa"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			probe := "[profile.owa.probe]\nkind = \"tcp\"\n"
			second := noServer(t)
			if tt.second == "up" {
				second = silentServer(t)
			}
			r := newRig(t, t.TempDir(), fmt.Sprintf(poolText+vipText, noServer(t), second, tt.pool, "mail")+probe)
			states := func(i int) string { return r.Status().Pools[0].Servers[i].Services[0].State }
			r.until("the probes have answered", func() bool { return states(0) == "down" && states(1) == tt.second })
			pool := r.Status().Pools[0]
			if !slices.Equal(pool.Panic, tt.panics) {
				t.Errorf("Panic = %v; want %v", pool.Panic, tt.panics)
			}
			if up, known := r.VIPUp("mail"); up != tt.up || !known {
				t.Errorf("VIPUp(mail) = %v, %v; want %v, true", up, known, tt.up)
			}
		})
	}
}

func TestVIPUpKnowsItsVIPs(t *testing.T) {
	r := newRig(t, t.TempDir(), fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail")+unprobed)
	if _, known := r.VIPUp("other"); known {
		t.Error("VIPUp knows a VIP that there is not")
	}
	if addrs := r.Addrs("other"); addrs != nil {
		t.Errorf("Addrs(other) = %v; want none", addrs)
	}
}

// Who asks while a mistake is mended sees it, or the file that is in force since,
// and never both.
func TestMistakeGoesWithTheReload(t *testing.T) {
	good := fmt.Sprintf(poolText+vipText, silentServer(t), silentServer(t), "", "mail") + unprobed
	r := newRig(t, t.TempDir(), good)
	for range 20 {
		r.write(good + "\n[[[\n")
		if err := r.Reload(t.Context()); err == nil {
			t.Fatal("a broken file is taken")
		}
		refused := r.Status()
		r.write(good)
		mended := make(chan error, 1)
		go func() { mended <- r.Reload(t.Context()) }()
		for over := false; !over; {
			select {
			case err := <-mended:
				if err != nil {
					t.Fatal(err)
				}
				over = true
			default:
			}
			if st := r.Status(); (st.ReloadError == "") != st.Loaded.After(refused.Loaded) || over && st.ReloadError != "" {
				t.Fatalf("file of %v, mistake %q; before, the file of %v", st.Loaded, st.ReloadError, refused.Loaded)
			}
		}
	}
}
