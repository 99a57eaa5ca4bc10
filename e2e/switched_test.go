package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// S65: persistence is switched on, changed and switched off where there was none
// before, while casbah runs: each time a reload, and the next request goes by it.
func TestPersistenceIsSwitched(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		none := "[profile.owa]\nchain = [{ by = \"none\" }]\n"
		r := newMirrorRig(t, setup{mode: m, extra: none}, "owa")
		base := r.read()
		chain := func(step string) { r.reload(strings.Replace(base, `{ by = "none" }`, step, 1)) }
		const source, path, cookie = "127.0.0.2", "/owa/", "UserContext=abc"
		r.spread("none from the start", source, path)

		chain(`{ by = "source_ip" }`)
		r.sticks("by address", r.from(source, path).server, source, path)
		chain(`{ by = "cookie", name = "UserContext" }`)
		r.spread("by a cookie that is not set yet", source, path)
		home := r.from(source, path, "X-Set", cookie).server
		r.sticks("by a cookie", home, source, path, "Cookie", cookie)
		chain(`{ by = "insert_cookie" }`)
		r.spread("by casbah's own cookie alone", source, path, "Cookie", cookie)
		first := r.from(source, path)
		name, value := issued(t, first)
		own := fmt.Sprintf("%s=%s", name, value)
		r.sticks("by casbah's own cookie", first.server, source, path, "Cookie", own)
		chain(`{ by = "none" }`)
		r.spread("none in the end", source, path, "Cookie", own+"; "+cookie)
	})
}
