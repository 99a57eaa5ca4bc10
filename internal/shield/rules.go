// Package shield knows what attacks on Exchange look like from outside. Its rules
// are few and stand in this file, each with what it stops: they say what no client
// of Exchange sends, so that a request that meets one deserves a look, or a refusal.
//
// They are no filter for the contents of messages, and no replacement for updates.
package shield

// Version is that of the rules below. It changes with them.
const Version = "2026-11"

// Rule is one rule; a closed list.
type Rule uint8

// The rules. The first one that a request meets counts.
const (
	None Rule = iota
	AutodiscoverShell
	AutodiscoverSSRF
	BackendCookie
	AccessToken
	AdminNetwork
	DirectoryWrite
	DirectoryMethod
	DoubleEncoding
	Traversal
	CookieSize
	rules
)

// Rules is how many rules there are, None among them.
const Rules = int(rules)

// The limits of cookies, in octets. Browsers keep 4096 for one with its name and
// attributes; IIS takes 16 KiB for all header fields together.
const (
	maxCookie  = 4096
	maxCookies = 16 << 10
)

// book is what each rule is called and what it stops.
var book = [Rules]struct{ name, stops string }{
	None: {"none", "nothing"},
	AutodiscoverShell: {
		"autodiscover_shell",
		"Autodiscover made to call PowerShell in the server's own name (ProxyNotShell: CVE-2022-41040, CVE-2022-41082)",
	},
	AutodiscoverSSRF: {
		"autodiscover_ssrf",
		"a host name put into the URL of autodiscover.json, which makes the server call any back end (ProxyShell: CVE-2021-34473)",
	},
	BackendCookie: {
		"backend_cookie",
		"a cookie X-BEResource or X-AnonResource-Backend that names the server to be called (ProxyLogon: CVE-2021-26855)",
	},
	AccessToken: {
		"access_token",
		"an identity that only servers tell each other: X-Rps-CAT or X-CommonAccessToken (ProxyShell: CVE-2021-34523)",
	},
	AdminNetwork:    {"admin_network", "PowerShell, and the pages of ECP for administrators, from outside the admin_networks of the VIP"},
	DirectoryWrite:  {"directory_write", "from there also a page written to the server's disk by the settings of a virtual directory (CVE-2021-27065)"},
	DirectoryMethod: {"directory_method", "methods that no client of the directory uses, such as those of WebDAV"},
	DoubleEncoding:  {"double_encoding", "a path that is encoded twice, so that what is checked is not what is served"},
	Traversal:       {"traversal", "../ in a query, in clear or encoded once or twice; a path that has it is refused in any case"},
	CookieSize:      {"cookie_size", "a cookie of more than 4 KiB, which no browser sends, or more than 16 KiB of them"},
}

// meets reports whether a request of which f is known meets the rule.
func (r Rule) meets(f *facts) bool {
	switch r {
	case AutodiscoverShell:
		return f.says(wordAutodiscover) && f.says(wordPowerShell) && f.dir != dirPowerShell
	case AutodiscoverSSRF:
		return f.says(wordAutodiscoverJSON) && (f.nameWithAt || f.says(wordJSONAt) || f.says(wordEmailJSON) || f.emailCookie)
	case BackendCookie:
		return f.backendCookie
	case AccessToken:
		return f.token || f.says(wordRpsCAT)
	case AdminNetwork:
		return f.stranger && (f.dir == dirPowerShell || f.dir == dirECP && f.below(adminPages))
	case DirectoryWrite:
		return f.stranger && f.dir == dirECP && f.says(wordDDI) && f.says(wordVirtualDirectory)
	case DirectoryMethod:
		return !f.allowed(methods[f.dir])
	case DoubleEncoding:
		return f.twice
	case Traversal:
		return f.says(wordUp) || f.says(wordUpBack)
	case CookieSize:
		return f.cookie > maxCookie || f.cookies > maxCookies
	default:
		return false
	}
}

// adminPages are the directories of ECP that users have no use for. Their own
// options are elsewhere.
var adminPages = []string{"usersgroups", "servers", "vdirmgmt", "dbmgmt", "hybrid", "reporting"}

// directory is one of those that rules know.
type directory uint8

const (
	dirOther directory = iota
	dirOWA
	dirECP
	dirEWS
	dirOAB
	dirAutodiscover
	dirMAPI
	dirPowerShell
	dirActiveSync
	dirRPC
)

var directories = map[string]directory{
	"owa": dirOWA, "ecp": dirECP, "ews": dirEWS, "oab": dirOAB, "autodiscover": dirAutodiscover, "mapi": dirMAPI,
	"powershell": dirPowerShell, "microsoft-server-activesync": dirActiveSync, "rpc": dirRPC, "rpcwithcert": dirRPC,
}

// methods are what clients of a directory use. Another directory may be used in
// any way that its profile allows.
var methods = [...][]string{
	dirOther:        nil,
	dirOWA:          {"GET", "POST", "HEAD", "OPTIONS"},
	dirECP:          {"GET", "POST", "HEAD"},
	dirEWS:          {"GET", "POST", "HEAD", "OPTIONS"},
	dirOAB:          {"GET", "HEAD", "OPTIONS"},
	dirAutodiscover: {"GET", "POST", "HEAD", "OPTIONS"},
	dirMAPI:         {"GET", "POST", "HEAD", "OPTIONS"},
	dirPowerShell:   {"GET", "POST", "HEAD"},
	dirActiveSync:   {"GET", "POST", "HEAD", "OPTIONS"},
	dirRPC:          {"RPC_IN_DATA", "RPC_OUT_DATA", "GET", "POST", "HEAD", "OPTIONS"},
}

// The words that rules look for in path and query: in lower case, and there
// whatever the encoding.
const (
	wordAutodiscover word = iota
	wordPowerShell
	wordAutodiscoverJSON
	wordJSONAt
	wordEmailJSON
	wordRpsCAT
	wordDDI
	wordVirtualDirectory
	wordUp
	wordUpBack
	wordCount
)

var words = [wordCount]string{
	wordAutodiscover:     "autodiscover",
	wordPowerShell:       "powershell",
	wordAutodiscoverJSON: "autodiscover.json",
	wordJSONAt:           "autodiscover.json@",
	wordEmailJSON:        "email=autodiscover",
	wordRpsCAT:           "x-rps-cat",
	wordDDI:              "/ddiservice.svc",
	wordVirtualDirectory: "virtualdirectory",
	wordUp:               "../",
	wordUpBack:           `..\`,
}

// String returns the name of the rule.
func (r Rule) String() string { return book[r].name }

// Stops says what the rule stops.
func (r Rule) Stops() string { return book[r].stops }
