package profiles

import (
	"reflect"
	"runtime"
	"time"
)

// The presets.
const (
	Exchange2010 = "exchange2010"
	Exchange2016 = "exchange2016" // 2013 and later
)

// Default returns the configuration of an empty file: every default that is not
// a profile's, and the profiles of exchange2010. It serves nothing.
func Default() *Config {
	return &Config{Process: defaultProcess(), Site: defaultSite(Exchange2010)}
}

func defaultProcess() Process {
	return Process{
		StateDir:     "/var/lib/casbah",
		Engine:       defaultEngine(),
		DrainTimeout: 30 * time.Second,
		Log:          Log{Level: "info", Access: "stderr"},
		Limits:       Limits{Connections: 100_000, HeadBytes: 64 << 10, Bindings: 250_000},
		Admin:        Admin{Listen: "127.0.0.1:8404"},
		Tickets:      Tickets{Rotate: true},
	}
}

// defaultEngine is the faster one where there is a choice.
func defaultEngine() string {
	if runtime.GOOS == "linux" {
		return "reactor"
	}
	return "net"
}

func defaultSite(preset string) Site {
	return Site{Preset: preset, CookieHTTPOnly: true, ACME: defaultACME(), Profiles: shippedProfiles(preset)}
}

// fresh returns the value that a table of type t starts from.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch into := v.Addr().Interface().(type) {
	case *Server:
		*into = Server{Weight: 100, Queue: 100, QueueTimeout: 5 * time.Second}
	case *Pool:
		*into = Pool{
			Algorithm: "least_conn", ConnectTimeout: 5 * time.Second, UpstreamTLS: "off", ProxyProtocol: "off", Placement: PlacementOff,
			TLS: PoolTLS{Verify: true, Policy: intermediate},
		}
	case *VIP:
		*into = VIP{TableFull: "evict_oldest", Shield: shieldReport, Mapper: mapperPass, TLS: VIPTLS{Policy: intermediate, ClientAuth: "off", OCSPStapling: true}}
	case *Certificate:
		*into = Certificate{KeyType: keyECDSA}
	case *Profile:
		*into = Profile{
			ExtendedProtection: "none", HeaderTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute,
			BindingTimeout: time.Hour, MinBodyRate: 100, Reuse: "never", Fallback: true, SharedAfter: 8,
			Probe: fresh(probeType).Interface().(Probe), DeepProbe: fresh(deepProbeType).Interface().(DeepProbe),
		}
	case *Step:
		*into = Step{In: "query", Prefix4: 32, Prefix6: 64, Path: "/", HTTPOnly: true, Format: "casbah"}
	case *DeepProbe:
		*into = DeepProbe{Interval: time.Minute, Timeout: 10 * time.Second, Rise: 1, Fall: 2}
	case *Probe:
		*into = Probe{
			Kind: "http", Method: "GET", Expect: []int{200}, Interval: 5 * time.Second,
			Timeout: 2 * time.Second, Rise: 2, Fall: 3,
		}
	}
	return v
}
