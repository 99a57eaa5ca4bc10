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
		return f.dir == dirAutodiscover && f.says(wordPowerShell)
	case AutodiscoverSSRF:
		return f.dir == dirAutodiscover && f.says(wordAutodiscoverJSON) && (f.nameWithAt || f.says(wordJSONAt) || f.says(wordEmailJSON) || f.emailCookie)
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

// directoryOf returns the directory of that name, which is in lower case.
func directoryOf(name []byte) directory {
	switch string(name) {
	case "owa":
		return dirOWA
	case "ecp":
		return dirECP
	case "ews":
		return dirEWS
	case "oab":
		return dirOAB
	case "autodiscover":
		return dirAutodiscover
	case "mapi":
		return dirMAPI
	case "powershell":
		return dirPowerShell
	case "microsoft-server-activesync":
		return dirActiveSync
	case "rpc", "rpcwithcert":
		return dirRPC
	default:
		return dirOther
	}
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
	wordRpsCAT word = iota
	wordUp
	wordUpBack
	wordAutodiscover
	wordPowerShell
	wordAutodiscoverJSON
	wordJSONAt
	wordEmailJSON
	wordDDI
	wordVirtualDirectory
	wordCount
)

var words = [wordCount][]byte{
	wordRpsCAT:           []byte("x-rps-cat"),
	wordUp:               []byte("../"),
	wordUpBack:           []byte(`..\`),
	wordAutodiscover:     []byte("autodiscover"),
	wordPowerShell:       []byte("powershell"),
	wordAutodiscoverJSON: []byte("autodiscover.json"),
	wordJSONAt:           []byte("autodiscover.json@"),
	wordEmailJSON:        []byte("email=autodiscover"),
	wordDDI:              []byte("/ddiservice.svc"),
	wordVirtualDirectory: []byte("virtualdirectory"),
}

// wordsFor returns where the words end that matter in a directory. What names
// Autodiscover elsewhere is no request to it.
func wordsFor(d directory) word {
	switch d {
	case dirAutodiscover, dirECP:
		return wordCount
	default:
		return wordAutodiscover
	}
}

// String returns the name of the rule.
func (r Rule) String() string { return book[r].name }

// Stops says what the rule stops.
func (r Rule) Stops() string { return book[r].stops }
