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
