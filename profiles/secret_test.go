package profiles

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretIsNotShown(t *testing.T) {
	const hidden = "correct horse"
	held := struct{ S Secret }{hidden}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, held); strings.Contains(got, "horse") || strings.Contains(got, fmt.Sprintf("%x", "horse")) {
			t.Errorf("%s shows %s", verb, got)
		}
	}
	if got, err := json.Marshal(held); err != nil || string(got) != `{"S":"***"}` {
		t.Errorf("json %s, %v", got, err)
	}
	if Secret(hidden).Reveal() != hidden {
		t.Error("Reveal() does not")
	}
}

// A secret that is not written as TOML wants it is not shown by the mistake, which
// the log and the page show.
func TestBrokenSecretIsNotShown(t *testing.T) {
	for name, value := range map[string]string{
		"bare":         `correcthorsebattery`,
		"bare-digits":  `4711horse`,
		"escape":       `"correct horse\xZZ"`,
		"unicode":      `"correct horse\uD800"`,
		"letter":       `"correct horse\y"`,
		"unterminated": `"correct horse`,
		"number":       `47_11_`,
		"float":        `4711.horse`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Parse("casbah.toml", []byte("preset = \"exchange2010\"\ncookie_passphrase = "+value+"\n"))
			if err == nil {
				t.Fatal("Parse() takes it")
			}
			for _, part := range []string{"correct", "horse", "4711", "47_11", "D800"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("Parse() = %v", err)
				}
			}
			if !strings.HasPrefix(err.Error(), "casbah.toml:2:") || !strings.HasSuffix(err.Error(), "cookie_passphrase: want a text in quotes, got ***") {
				t.Errorf("Parse() = %v; want where it stands and what is allowed", err)
			}
		})
	}
}
