package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads and checks the file at path. The error is Mistakes, all those of
// the file, unless the file cannot be read at all.
func Load(path string) (*Config, Notes, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse checks data as the file called name; relative paths in it start at
// name's directory. Certificates and secrets that it names are read. Where there
// are Mistakes there is no Config, but the Notes so far.
func Parse(name string, data []byte) (*Config, Notes, error) {
	// The library skips a byte order mark and counts from behind it.
	text := strings.TrimPrefix(string(data), "\ufeff")
	var m map[string]any
	if _, err := toml.Decode(text, &m); err != nil {
		return nil, nil, Mistakes{syntax(name, text, err)}
	}
	r := newReport(name, indexText(text))
	c := decode(r, m)
	c.Path = name
	c.complete(r)
	check(r, c)
	c.inherit(r)
	r.notes.sort()
	if len(r.mistakes) > 0 {
		r.mistakes.sort()
		return nil, r.notes, r.mistakes
	}
	return c, r.notes, nil
}

// decode puts the file into types, over the defaults of its preset.
func decode(r *report, m map[string]any) *Config {
	preset, _ := m["preset"].(string)
	if !presets.has(preset) { // left out, or a mistake that check reports
		preset = Exchange2010
	}
	c := &Config{Process: defaultProcess(), Site: defaultSite(preset)}
	decoder{r}.table(place{}, m, reflect.ValueOf(c).Elem())
	return c
}

func (c *Config) complete(r *report) {
	for name, p := range c.Profiles {
		// A response timeout follows the site's idle timeout unless it is set too.
		if pp := profilePlace(name); r.written(pp.key("idle_timeout")) && !r.written(pp.key("response_timeout")) {
			p.ResponseTimeout = 0
		}
		p.complete(r.written(profilePlace(name).key("probe").key("kind")))
	}
	for i := range c.VIPs {
		v := &c.VIPs[i]
		v.complete(c.Profiles, r.written(vipPlace(i, v).key("root_redirect")))
		v.TLS.complete()
	}
	for i := range c.Pools {
		c.Pools[i].TLS.complete()
	}
	c.anchor(filepath.Dir(c.Path))
}

// syntax turns the library's error into a mistake. Its own line is sometimes
// that of the next thing: the offset is not.
func syntax(name, text string, err error) *Mistake {
	m := &Mistake{File: name, Position: Position{1, 1}, Want: "valid TOML", Got: err.Error()}
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		x := &index{lines: lineStarts(text), size: len(text)}
		m.Position = x.position(pe.Position.Start)
		m.Got = pe.Message
		line, _, _ := strings.Cut(text[x.lines[m.Line-1]:], "\n")
		written, _, _ := strings.Cut(line, "=")
		for _, key := range []string{pe.LastKey, strings.Trim(written, " \t\"'")} {
			if key = key[strings.LastIndexByte(key, '.')+1:]; keysOf(reflect.TypeFor[Config]())[key].Type == secretType {
				m.Key, m.Want, m.Got = key, scalars[secretType].want, Secret("").String() // the library tells what it has read
			}
		}
	}
	return m
}
