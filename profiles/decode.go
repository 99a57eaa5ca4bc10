package profiles

import (
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// The types of tables.
var (
	serverType  = reflect.TypeFor[Server]()
	poolType    = reflect.TypeFor[Pool]()
	vipType     = reflect.TypeFor[VIP]()
	profileType = reflect.TypeFor[Profile]()
	stepType    = reflect.TypeFor[Step]()
	probeType   = reflect.TypeFor[Probe]()
	secretType  = reflect.TypeFor[Secret]()

	deepProbeType = reflect.TypeFor[DeepProbe]()
)

// decoder puts the tables of a file into the types of this package. The library
// reads the syntax; its own decoder stops at the first wrong type and takes a
// key in any letter case, so this one does the rest: it goes on after a mistake.
type decoder struct{ *report }

// table decodes m into the structure v, key by key: what m does not hold stays.
func (d decoder) table(p place, m map[string]any, v reflect.Value) {
	fields := keysOf(v.Type())
	for _, name := range sorted(m) {
		if f, ok := fields[name]; ok {
			d.value(p.key(name), m[name], v.FieldByIndex(f.Index))
			continue
		}
		d.unknown(p.key(name), name, v.Type())
	}
}

// unknown reports a key that is none.
func (d decoder) unknown(p place, name string, t reflect.Type) {
	want := "a known key"
	if n := nearest(name, sorted(keysOf(t))); n != "" {
		want += " (did you mean " + n + "?)"
	}
	d.mistake(p, want, name)
}

// value decodes raw, which stands at p, into v.
func (d decoder) value(p place, raw any, v reflect.Value) {
	if s, ok := scalars[v.Type()]; ok {
		d.scalar(p, raw, v, s)
		return
	}
	switch v.Kind() {
	case reflect.String:
		set(d, p, raw, "a text in quotes", v.SetString)
	case reflect.Bool:
		set(d, p, raw, "true or false", v.SetBool)
	case reflect.Int:
		d.number(p, raw, v)
	case reflect.Struct:
		d.structure(p, raw, v)
	case reflect.Map:
		d.profiles(p, raw, v.Addr().Interface().(*map[string]*Profile))
	case reflect.Slice:
		if _, ok := scalars[v.Type().Elem()]; !ok && v.Type().Elem().Kind() == reflect.Struct {
			d.tables(p, raw, v)
			return
		}
		d.list(p, raw, v)
	default:
		panic("BUG: no way to decode a " + v.Type().String())
	}
}

// set stores raw if it is a T.
func set[T any](d decoder, p place, raw any, want string, store func(T)) {
	t, ok := raw.(T)
	if !ok {
		d.mistake(p, want, raw)
		return
	}
	store(t)
}

func (d decoder) number(p place, raw any, v reflect.Value) {
	n, ok := raw.(int64)
	if !ok || v.OverflowInt(n) {
		d.mistake(p, "a whole number", raw)
		return
	}
	v.SetInt(n)
}

func (d decoder) structure(p place, raw any, v reflect.Value) {
	m, ok := raw.(map[string]any)
	if !ok {
		d.mistake(p, "a table, written ["+p.header()+"]", raw)
		return
	}
	if v.Type() == probeType {
		v.Set(fresh(v.Type())) // a probe replaces the shipped one whole
	}
	d.table(p, m, v)
}

// profiles decodes [profile.NAME] into the profiles that ship, or into new ones.
func (d decoder) profiles(p place, raw any, into *map[string]*Profile) {
	m, ok := raw.(map[string]any)
	if !ok {
		d.mistake(p, "tables, written [profile.NAME]", raw)
		return
	}
	if *into == nil {
		*into = make(map[string]*Profile)
	}
	for _, name := range sorted(m) {
		pr := (*into)[name]
		if pr == nil {
			pr = fresh(profileType).Addr().Interface().(*Profile)
			pr.Name = name
			(*into)[name] = pr
		}
		d.structure(p.key(name), m[name], reflect.ValueOf(pr).Elem())
	}
}

// tables decodes an array of tables, which replaces what v held.
func (d decoder) tables(p place, raw any, v reflect.Value) {
	ms, ok := arrayOfTables(raw)
	if !ok {
		d.mistake(p, "an array of tables, written [["+p.header()+"]]", raw)
		return
	}
	elems := reflect.MakeSlice(v.Type(), len(ms), len(ms))
	for i, m := range ms {
		e := elems.Index(i)
		e.Set(fresh(e.Type()))
		d.table(p.item(i, ownName(e.Type(), m)), m, e)
	}
	v.Set(elems)
}

// arrayOfTables takes both spellings: [[table]], and a list of inline tables.
func arrayOfTables(raw any) ([]map[string]any, bool) {
	if ms, ok := raw.([]map[string]any); ok {
		return ms, true
	}
	list, ok := raw.([]any)
	if !ok {
		return nil, false
	}
	ms := make([]map[string]any, len(list))
	for i, e := range list {
		if ms[i], ok = e.(map[string]any); !ok {
			return nil, false
		}
	}
	return ms, true
}

// ownName returns what the operator calls a table of an array, if it has a name
// of its own: the name of a step is a cookie's.
func ownName(t reflect.Type, m map[string]any) string {
	switch t {
	case serverType, poolType, vipType:
		name, _ := m["name"].(string)
		return name
	default:
		return ""
	}
}

// list decodes a list of values, which replaces what v held.
func (d decoder) list(p place, raw any, v reflect.Value) {
	list, ok := raw.([]any)
	if !ok {
		d.mistake(p, "a list in brackets", raw)
		return
	}
	elems := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		d.value(p.value(i), e, elems.Index(i))
	}
	v.Set(elems)
}

// scalar is a type whose values are written as a text.
type scalar struct {
	want  string
	parse func(string) (any, error)
}

var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[time.Duration](): {
		"a duration such as \"30s\", \"10m\" or \"8h\"",
		func(s string) (any, error) { return time.ParseDuration(s) },
	},
	reflect.TypeFor[netip.AddrPort](): {
		"an address and port such as \"192.0.2.10:443\"",
		func(s string) (any, error) { return netip.ParseAddrPort(s) },
	},
	reflect.TypeFor[netip.Prefix](): {
		"a network or address such as \"192.0.2.0/28\"",
		func(s string) (any, error) { return parsePrefix(s) },
	},
	secretType: {
		"a text in quotes",
		func(s string) (any, error) { return Secret(s), nil },
	},
}

// parsePrefix reads a network, or an address as the network of itself. One of IPv4
// in the form of IPv6 is of IPv4, as the addresses are that it is compared with.
func parsePrefix(s string) (netip.Prefix, error) {
	const mapped = 96 // bits ahead of the IPv4 address
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap()
		return a.Prefix(a.BitLen())
	}
	n, err := netip.ParsePrefix(s)
	if a := n.Addr(); a.Is4In6() && n.Bits() >= mapped {
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-mapped)
	}
	return n.Masked(), err
}

func (d decoder) scalar(p place, raw any, v reflect.Value, s scalar) {
	got := raw
	if v.Type() == secretType {
		got = Secret("") // whatever stands there, it was meant to be secret
	}
	text, ok := raw.(string)
	if !ok {
		d.mistake(p, s.want, got)
		return
	}
	parsed, err := s.parse(text)
	if err != nil {
		d.mistake(p, s.want, got)
		return
	}
	v.Set(reflect.ValueOf(parsed))
}

// keysOf returns the keys of a table of type t, with the field of each.
func keysOf(t reflect.Type) map[string]reflect.StructField {
	keys := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("toml"); name != "" && name != "-" {
			keys[name] = f
		}
	}
	return keys
}
