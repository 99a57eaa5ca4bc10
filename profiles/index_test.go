package profiles

import "testing"

func TestIndex(t *testing.T) {
	const text = `# top
a.b = 1 # not c = 2
"quoted key" = '''
x = [[no]] table
'''
list = [
  "one", # two
  [1, { deep = "}" }],
  'three',
]
esc = "a \" b = [c]"
multi = """
[not.a.table]
\""""""

[table . "sub"]
  key = { in = { line = true }, next = [ { n = 1 }, { n = 2 } ] }
date = 1979-05-27 07:32:00

[[array]]
x = 1
[array.under]
y = 1
[[array.more]]
z = 1
[[array]]
x = 2
[[array.more]]
z = 2
`
	root := path("")
	tests := []struct {
		name string
		path path
		want Position
	}{
		{"dotted", root.key("a").key("b"), Position{2, 3}},
		{"dotted-parent", root.key("a"), Position{2, 1}},
		{"comment", root.key("c"), Position{1, 1}},
		{"quoted", root.key("quoted key"), Position{3, 1}},
		{"in-string", root.key("x"), Position{1, 1}},
		{"list", root.key("list"), Position{6, 1}},
		{"list-0", root.key("list").item(0), Position{7, 3}},
		{"list-1-1-deep", root.key("list").item(1).item(1).key("deep"), Position{8, 9}},
		{"list-2", root.key("list").item(2), Position{9, 3}},
		{"list-3-is-not", root.key("list").item(3), Position{6, 1}},
		{"escaped", root.key("esc"), Position{11, 1}},
		{"multi", root.key("multi"), Position{12, 1}},
		{"header", root.key("table").key("sub"), Position{16, 1}},
		{"inline", root.key("table").key("sub").key("key").key("in").key("line"), Position{17, 18}},
		{"inline-next-1", root.key("table").key("sub").key("key").key("next").item(1).key("n"), Position{17, 55}},
		{"date", root.key("table").key("sub").key("date"), Position{18, 1}},
		{"array-0", root.key("array").item(0), Position{20, 1}},
		{"array-0-x", root.key("array").item(0).key("x"), Position{21, 1}},
		{"array-0-under-y", root.key("array").item(0).key("under").key("y"), Position{23, 1}},
		{"array-0-more-0-z", root.key("array").item(0).key("more").item(0).key("z"), Position{25, 1}},
		{"array-1-x", root.key("array").item(1).key("x"), Position{27, 1}},
		{"array-1-more-0-z", root.key("array").item(1).key("more").item(0).key("z"), Position{29, 1}},
		{"array-1-missing", root.key("array").item(1).key("y"), Position{26, 1}},
	}
	x := indexText(text)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := x.find(tt.path); got != tt.want {
				t.Errorf("find(%s) = %v; want %v", tt.path, got, tt.want)
			}
		})
	}
}

func TestPathUp(t *testing.T) {
	for _, name := range []string{"a", "", `a"b`, `a."b"`, `a\`, "a[0]", "a]", "\n", `"`, `\"`} {
		p := path("").key("x").item(3)
		if got := p.key(name).up(); got != p {
			t.Errorf("up of %s = %s; want %s", p.key(name), got, p)
		}
		if got := p.key(name).item(7).up(); got != p.key(name) {
			t.Errorf("up of %s = %s; want %s", p.key(name).item(7), got, p.key(name))
		}
		if got := path("").key(name).up(); got != "" {
			t.Errorf("up of %s = %s; want nothing", path("").key(name), got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"owa", "oab", "ecp", "algorithm", "idle_timeout"}
	for name, want := range map[string]string{
		"oaw": "owa", "OWA": "owa", "cep": "ecp", "algoritm": "algorithm", "idle_time": "idle_timeout", //nolint:misspell // on purpose
		"webmail": "", "x": "", "": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q) = %q; want %q", name, got, want)
		}
	}
}
