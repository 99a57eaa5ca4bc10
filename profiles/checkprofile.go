package profiles

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// longest is the longest idle time that can be asked for.
const longest = 7 * 24 * time.Hour

// shortest is the shortest time that a client or server can be given.
const shortest = 100 * time.Millisecond

// kinds checks what the site's profiles are, before anything else asks: what
// ships is right.
func (k *checker) kinds() {
	shipped := k.shipped()
	for _, name := range sorted(k.c.Profiles) {
		p, pr := profilePlace(name), k.c.Profiles[name]
		switch old := shipped[name]; {
		case !k.written(p):
		case old != nil:
			k.fixed(p, pr, old)
			k.repeated(p, pr, old)
		default:
			k.added(p, pr, sorted(shipped))
		}
	}
}

// shipped returns the profiles that the file changes.
func (k *checker) shipped() map[string]*Profile {
	if presets.has(k.c.Preset) {
		return shippedProfiles(k.c.Preset)
	}
	return shippedProfiles(Exchange2010)
}

// profiles checks the values that the site changes or adds.
func (k *checker) profiles() {
	for _, name := range sorted(k.c.Profiles) {
		p, pr := profilePlace(name), k.c.Profiles[name]
		if k.written(p) && protocols.has(pr.Protocol) {
			k.profile(p, pr)
		}
	}
	k.groups()
}

// fixed refuses to change what a shipped profile is.
func (k *checker) fixed(p place, pr, old *Profile) {
	if pr.Protocol != old.Protocol {
		k.mistake(p.key("protocol"), strconv.Quote(old.Protocol)+", as shipped", pr.Protocol)
		pr.Protocol = old.Protocol
	}
	if pr.IdleFloor != old.IdleFloor {
		k.mistake(p.key("idle_floor"), strconv.Quote(brief(old.IdleFloor))+", as shipped", pr.IdleFloor)
	}
}

// repeated takes a chain or probe that stands in the file just as it ships for
// shipped: what casbah prints of a profile may be kept in a file, although a
// step of it is for a later version.
func (k *checker) repeated(p place, pr, old *Profile) {
	if slices.Equal(pr.Chain, old.Chain) {
		k.at.forget(p.key("chain").path)
	}
	if reflect.DeepEqual(pr.Probe, old.Probe) {
		k.at.forget(p.key("probe").path)
	}
}

// added checks that a profile which does not ship is meant to be new.
func (k *checker) added(p place, pr *Profile, shipped []string) {
	if !nameForm.MatchString(pr.Name) {
		k.mistake(p, "a name of letters, digits, dot, dash or underscore, at most 64", pr.Name)
		return
	}
	if k.written(p.key("protocol")) {
		k.choose(p.key("protocol"), protocols, pr.Protocol)
		return
	}
	want := "the name of a profile that ships"
	if n := nearest(pr.Name, shipped); n != "" {
		want += " (did you mean " + n + "?)"
	}
	k.mistake(p, want+", or a protocol for a new one", pr.Name)
}

func (k *checker) profile(p place, pr *Profile) {
	if pr.Protocol == "http" {
		k.leftOut(p.key("ports"), "the profile is of protocol http", "ports")
		k.paths(p.key("paths"), pr.Paths)
		k.methods(p.key("methods"), pr)
	} else {
		for _, key := range []string{
			"paths", "methods", "auth", "extended_protection", "https_redirect", "header_timeout", "response_timeout",
			"min_body_rate", "reuse", "websocket",
		} {
			k.leftOut(p.key(key), "the profile is of protocol "+pr.Protocol, key)
		}
		k.ports(p.key("ports"), pr.Ports)
	}
	k.interfaces(p.key("interfaces"), pr)
	for i, a := range pr.Auth {
		k.choose(p.key("auth").value(i), authSchemes, a)
	}
	k.choose(p.key("extended_protection"), protections, pr.ExtendedProtection)
	k.choose(p.key("reuse"), reuses, pr.Reuse)
	k.between(p.key("min_body_rate"), pr.MinBodyRate, 0, 1<<20)
	k.timers(p, pr)
	k.sharing(p, pr)
	k.chainOf(p.key("chain"), pr)
	k.probe(p.key("probe"), pr)
	k.deepProbe(p.key("deep_probe"), pr)
	if pr.Group != "" && !nameForm.MatchString(pr.Group) {
		k.mistake(p.key("group"), "letters, digits, dot, dash or underscore, at most 64", pr.Group)
	}
}

// pathForm is a path prefix that casbah forwards as it is: no query, no escape,
// no dot segment and no empty one.
var pathForm = regexp.MustCompile(`^/$|^(/[A-Za-z0-9_~!$&'()*+,;=:@.-]+)+$`)

func (k *checker) paths(p place, paths []string) {
	if len(paths) == 0 {
		k.mistake(p, "at least one path", nothing)
	}
	for i, path := range paths {
		if !pathForm.MatchString(path) || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../") {
			k.mistake(p.value(i), `a path such as "/owa"`, path)
			continue
		}
		k.once(p.value(i), i, path, paths, p.value)
	}
}

func (k *checker) ports(p place, ports []int) {
	for i, n := range ports {
		k.between(p.value(i), n, 1, 65535)
	}
}

// methodForm is a token (RFC 9110, Section 5.6.2) without lower case: methods
// have case, and "get" is meant to be GET.
var methodForm = regexp.MustCompile("^[A-Z0-9!#$%&'*+.^_`|~-]+$")

func (k *checker) methods(p place, pr *Profile) {
	if len(pr.Methods) == 0 && k.written(p) {
		k.mistake(p, `at least one method, or this key left out for any`, nothing)
	}
	for i, m := range pr.Methods {
		at := p.value(i)
		switch {
		case !methodForm.MatchString(m):
			k.mistake(at, "a method in upper case such as \"GET\"", m)
		case m == "CONNECT":
			k.mistake(at, "another method: CONNECT would make casbah an open proxy", m)
		case strings.HasPrefix(m, "RPC_") && pr.Name != "outlook_anywhere":
			k.mistake(at, "another method: the RPC methods are for outlook_anywhere alone", m)
		default:
			k.once(at, i, m, pr.Methods, p.value)
		}
	}
}

func (k *checker) timers(p place, pr *Profile) {
	floor := max(pr.IdleFloor, shortest)
	k.lasts(p.key("header_timeout"), pr.HeaderTimeout, shortest, 10*time.Minute)
	k.lastsOrOff(p.key("idle_floor"), pr.IdleFloor, shortest, longest)
	k.lasts(p.key("idle_timeout"), pr.IdleTimeout, floor, longest)
	if k.written(p.key("response_timeout")) {
		k.lasts(p.key("response_timeout"), pr.ResponseTimeout, floor, longest)
	}
	k.lasts(p.key("binding_timeout"), pr.BindingTimeout, time.Second, 30*24*time.Hour)
}

// groups checks that every persistence group has one lead.
func (k *checker) groups() {
	lead := make(map[string]string) // group, profile
	for _, name := range sorted(k.c.Profiles) {
		pr := k.c.Profiles[name]
		at := profilePlace(name).key("lead")
		switch {
		case !pr.Lead:
		case pr.Group == "":
			k.mistake(at, "a group beside it", true)
		case lead[pr.Group] == "":
			lead[pr.Group] = name
		default:
			if !k.written(at) { // the other one is the site's
				at = profilePlace(lead[pr.Group]).key("lead")
			}
			k.mistake(at, fmt.Sprintf("one lead in group %q (%s and %s are)", pr.Group, lead[pr.Group], name), true)
		}
	}
	for _, name := range sorted(k.c.Profiles) {
		if g := k.c.Profiles[name].Group; g != "" && lead[g] == "" {
			k.mistake(k.leadless(name, g), "a group in which one profile has lead = true", g)
		}
	}
}

// leadless returns what took the lead from the group of a profile: its own
// change of group, or that the shipped lead has left.
func (k *checker) leadless(name, group string) place {
	if at := profilePlace(name).key("group"); k.written(at) {
		return at
	}
	for lead, pr := range k.shipped() {
		if pr.Lead && pr.Group == group {
			name = lead
		}
	}
	at := profilePlace(name)
	if k.written(at.key("lead")) {
		return at.key("lead")
	}
	return at.key("group")
}

func (k *checker) probe(p place, pr *Profile) {
	if !k.written(p) {
		return
	}
	pb := &pr.Probe
	if !k.choose(p.key("kind"), probeKinds, pb.Kind) {
		return
	}
	if fit := probesFor(pr.Protocol); !slices.Contains(fit, pb.Kind) {
		k.mistake(p.key("kind"), oneOf(fit)+", as the profile is of protocol "+pr.Protocol, pb.Kind)
		return
	}
	if pb.Kind == "http" {
		k.httpProbe(p, pb)
	} else {
		for _, key := range []string{"method", "path", "host", "expect"} {
			k.leftOut(p.key(key), "the probe is of kind "+pb.Kind, key)
		}
	}
	k.account(p, pb)
	k.pace(p, pb.Interval, pb.Timeout, shortest)
	k.between(p.key("rise"), pb.Rise, 1, 100)
	k.between(p.key("fall"), pb.Fall, 1, 100)
}

func (k *checker) httpProbe(p place, pb *Probe) {
	k.probePath(p.key("path"), pb.Path, "/owa/healthcheck.htm")
	if !methodForm.MatchString(pb.Method) || pb.Method == http.MethodConnect {
		k.mistake(p.key("method"), "a method in upper case such as \"GET\"", pb.Method)
	}
	if pb.Host != "" {
		if _, _, ok := splitHost(pb.Host); !ok {
			k.mistake(p.key("host"), "a host name", pb.Host)
		}
	}
	if len(pb.Expect) == 0 {
		k.mistake(p.key("expect"), "at least one status code", nothing)
	}
	for i, n := range pb.Expect {
		k.between(p.key("expect").value(i), n, 200, 599)
	}
	if slices.Contains(pb.Expect, 503) {
		k.note(p.key("expect"), "503 is what a server answers that is not available")
	}
}
