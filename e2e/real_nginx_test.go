package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"casbah/lab"
)

// nginxConf is nginx as guides put it in front of a web site: with connections to the
// servers that are kept, and shared among clients.
const nginxConf = `daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	client_max_body_size 0;
	client_body_buffer_size 4m;
	proxy_buffering off;
	upstream cas {
		server %[2]s;
		keepalive 16;
	}
	server {
		listen %[3]s;
		location / {
			proxy_pass http://cas;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
		}
	}
}
`

// A real nginx with a pool of connections serves users as others; casbah, in the same
// storm, never does.
func TestRealNginxSharesIdentities(t *testing.T) {
	t.Parallel()
	real(t)
	path := peer(t, "nginx")
	array := newArray(t, lab.Options{})
	dir, at := t.TempDir(), freeAddresses(t, 1)[0]
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, array.CAS(0).Addr(), at), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", conf, "-p", dir)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	untilDialled(t, at)
	sharesIdentities(t, array, at)
	casbahDoesNot(t)
}
