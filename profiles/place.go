package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// path names a key or an array element of a file, unambiguously: each key is
// quoted, each index in brackets. The empty path is the file.
type path string

func (p path) key(name string) path { return p + "." + path(strconv.Quote(name)) }

func (p path) item(i int) path { return p + "[" + path(strconv.Itoa(i)) + "]" }

// up returns the path of what p stands in. Quoted keys hold no bare bracket, and
// no bare quote, so the last key begins at the last `."` that no backslash
// precedes.
func (p path) up() path {
	if strings.HasSuffix(string(p), "]") {
		return p[:strings.LastIndexByte(string(p), '[')]
	}
	end := len(p) - 1 // before the closing quote
	for end > 0 {
		end = strings.LastIndexByte(string(p[:end]), '"')
		if end <= 0 {
			return ""
		}
		slashes := end - len(strings.TrimRight(string(p[:end]), `\`))
		if slashes%2 == 0 {
			return p[:end-1]
		}
	}
	return ""
}

// place is one spot of a configuration: where it stands in the file, and what
// the operator calls it. A key that the file does not have has a place too:
// that of the table where it belongs.
type place struct {
	path  path
	label string
}

// key returns the place of a key in the table p.
func (p place) key(name string) place {
	return place{p.path.key(name), join(p.label, bare(name))}
}

// item returns the place of element i of the array of tables p. Name is what
// the operator calls the element; without one it has its number.
func (p place) item(i int, name string) place {
	if name == "" {
		return place{p.path.item(i), p.label + " " + strconv.Itoa(i+1) + ":"}
	}
	return place{p.path.item(i), p.label + " " + strconv.Quote(name) + ":"}
}

// value returns the place of element i of the list of values p, which goes by
// the name of the list.
func (p place) value(i int) place { return place{p.path.item(i), p.label} }

// name is the label as it stands before the colon of a message.
func (p place) name() string { return strings.TrimSuffix(p.label, ":") }

// header returns the name of the table p as it stands between brackets.
func (p place) header() string {
	var keys []string
	for at := p.path; at != ""; at = at.up() {
		if name, ok := strings.CutPrefix(string(at), string(at.up())+"."); ok {
			if key, err := strconv.Unquote(name); err == nil {
				keys = append(keys, bare(key))
			}
		}
	}
	slices.Reverse(keys)
	return strings.Join(keys, ".")
}

func join(label, name string) string {
	switch {
	case label == "":
		return name
	case strings.HasSuffix(label, ":"):
		return label + " " + name
	default:
		return label + "." + name
	}
}

// bare returns a key as it is written: quoted unless it is made of the letters
// that TOML lets stand alone.
func bare(name string) string {
	for _, c := range name {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}
