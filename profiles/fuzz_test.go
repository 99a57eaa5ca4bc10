package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzParse: whatever a file holds, Parse ends; every mistake and note stands
// inside the file; what loads is what its checks promise.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\ufeff[[vip]]\r\nname = \"a\"\r\n"))
	f.Add([]byte("\"\\u0000\".\"]\" = 1"))
	f.Add([]byte("x = [{a.b = 1}, {a.b = 2}]"))
	dir := f.TempDir()
	writeFixtures(f, dir)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, notes, err := Parse(filepath.Join(dir, "casbah.toml"), data)
		for _, n := range notes {
			inside(t, data, n.Position)
		}
		if err == nil {
			holds(t, c)
			return
		}
		ms, ok := errors.AsType[Mistakes](err)
		if !ok || len(ms) == 0 || c != nil {
			t.Fatalf("Parse() = %v, %v; want Mistakes and no configuration", c, err)
		}
		for i, m := range ms {
			inside(t, data, m.Position)
			if strings.Contains(m.Error(), "\n") && m.Key != "" {
				t.Errorf("mistake %q has more than one line", m.Error())
			}
			if i > 0 && before(m.Position, ms[i-1].Position) > 0 != (m.Position != ms[i-1].Position) {
				t.Errorf("mistake %v comes after %v", m, ms[i-1])
			}
		}
	})
}

// inside checks that a position is one of the text's.
func inside(t *testing.T, data []byte, p Position) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > len(lines[p.Line-1])+1 {
		t.Errorf("position %v is outside of the %d lines of %q", p, len(lines), data)
	}
}

// holds checks what the rest of casbah takes for granted.
func holds(t *testing.T, c *Config) {
	t.Helper()
	if len(c.VIPs) == 0 {
		t.Error("no VIP")
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		if len(p.Servers) == 0 || len(p.Servers) > MaxServers || !algorithms.has(p.Algorithm) || p.ConnectTimeout <= 0 {
			t.Errorf("pool %+v", p)
		}
		for _, s := range p.Servers {
			if !slices.ContainsFunc(c.Servers, func(o Server) bool { return o.Name == s && o.Weight > 0 }) {
				t.Errorf("pool %s has no server %q", p.Name, s)
			}
		}
	}
	for i := range c.VIPs {
		holdsVIP(t, c, &c.VIPs[i])
	}
	for name, p := range c.Profiles {
		if p.Name != name || p.IdleTimeout < p.IdleFloor || p.ResponseTimeout < p.IdleFloor || p.HeaderTimeout <= 0 {
			t.Errorf("profile %s: %+v", name, p)
		}
		if p.Probe.Timeout <= 0 || p.Probe.Timeout >= p.Probe.Interval || p.Probe.Rise < 1 || p.Probe.Fall < 1 {
			t.Errorf("probe of %s: %+v", name, p.Probe)
		}
	}
}

func holdsVIP(t *testing.T, c *Config, v *VIP) {
	t.Helper()
	if !vipTypes.has(v.Type) || len(v.Listen) == 0 || (v.Type == "https") != (len(v.Certificates) > 0) {
		t.Errorf("vip %+v", v)
	}
	if !slices.ContainsFunc(c.Pools, func(p Pool) bool { return p.Name == v.Pool }) {
		t.Errorf("vip %s has no pool %q", v.Name, v.Pool)
	}
	if v.Type == "tcp" {
		holdsRelay(t, c, v)
		return
	}
	for _, name := range v.Profiles {
		p := c.Profiles[name]
		if p == nil || p.Protocol != "http" || len(p.Paths) == 0 {
			t.Fatalf("vip %s has profile %q: %+v", v.Name, name, p)
		}
		for _, path := range p.Paths {
			if path != strings.ToLower(path) || path[0] != '/' || path != "/" && strings.HasSuffix(path, "/") {
				t.Errorf("profile %s has path %q", name, path)
			}
		}
	}
}

func holdsRelay(t *testing.T, c *Config, v *VIP) {
	t.Helper()
	if len(v.Profiles) != 1 || c.Profiles[v.Profiles[0]].Protocol != "tcp" {
		t.Fatalf("vip %s of type tcp has profiles %q", v.Name, v.Profiles)
	}
	pool := &c.Pools[slices.IndexFunc(c.Pools, func(p Pool) bool { return p.Name == v.Pool })]
	for _, s := range c.Servers {
		_, port := s.HostPort()
		if slices.Contains(pool.Servers, s.Name) && port == 0 && Port(v, pool, c.Profiles[v.Profiles[0]]) == 0 {
			t.Errorf("vip %s reaches server %s on no port", v.Name, s.Name)
		}
	}
}
