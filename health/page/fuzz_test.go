package page_test

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"casbah/health/page"
)

// Whatever a form says, its address brings back the same order, and the sheet that
// shows it has no element or attribute that the template does not have.
func FuzzAsk(f *testing.F) {
	f.Add("do=drain&server=cas1&firm=yes&for=30&who=ann&why=patches")
	f.Add("do=timeout&profile=eas&minutes=45")
	f.Add(`do=rm&pool="><script>alert(1)</script>&force=yes&force=no`)
	f.Add("do=maintenance&server=%00%ff&by=25:61&wait=-1")
	script := regexp.MustCompile(`(?i)<(script|img|style|iframe)|\s(on[a-z]+|style|formaction)=`)
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a := page.AskOf(form)
		u, err := url.Parse(a.Address())
		if err != nil {
			t.Fatalf("%q: %v", a.Address(), err)
		}
		kept := a
		kept.Force = false // each time anew
		if again := page.AskOf(u.Query()); again != kept {
			t.Errorf("AskOf(%q) = %+v; want %+v", a.Address(), again, kept)
		}
		for _, confirm := range []bool{false, true} {
			var b bytes.Buffer
			if err := page.RenderSheet(&b, &page.Sheet{Ask: a, Confirm: confirm, Changeable: true, View: sample()}); err != nil {
				t.Fatal(err)
			}
			// In texts and values every < and " is written otherwise, so a tag is the template's.
			for _, tag := range regexp.MustCompile(`<[^>]*>`).FindAllString(b.String(), -1) {
				bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, "")
				if m := script.FindString(bare); m != "" && !strings.HasPrefix(tag, `<img src="/icon.svg"`) {
					t.Errorf("the sheet of %q has %q in %q", query, m, tag)
				}
			}
		}
	})
}
