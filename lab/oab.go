package lab

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the manifest of an OAB holds SHA-1
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// The offline address book is the same on every CAS: same octets, same ETag.
const (
	// OABID is the GUID in the address of the offline address book.
	OABID   = "4667c322-5c08-4cda-844a-253ff36b4a6a"
	oabFile = "f2b0a3b6-data-1.lzx"
)

// oabTime is when the address book was generated.
var oabTime = time.Date(2016, 9, 21, 5, 0, 0, 0, time.UTC)

// serveOAB answers the offline address book, which BITS fetches in ranges.
func (s *CAS) serveOAB(v *visit) {
	if !v.authenticate(schemeNegotiate, schemeNTLM, schemeBasic) {
		return
	}
	content := oabContent(s.array.options.OABBytes)
	switch path := v.pathUnder(); path {
	case "/" + OABID + "/oab.xml":
		v.serveFile("oab.xml", typeXML, oabManifest(content))
	case "/" + OABID + "/" + oabFile:
		v.serveFile(oabFile, "application/octet-stream", content)
	case "", "/":
		v.answer(http.StatusForbidden, typeHTML, "") // IIS lists no directories
	default:
		v.answer(http.StatusNotFound, typeHTML, "")
	}
}

// serveFile answers with a file: ranges, conditions and HEAD included.
func (v *visit) serveFile(name, contentType string, content []byte) {
	v.set("Content-Type", contentType)
	v.w.Header()["Etag"] = []string{fmt.Sprintf(`"%x"`, sha1.Sum(content))} //nolint:gosec // names content, secures nothing
	http.ServeContent(v.w, v.r, name, oabTime, bytes.NewReader(content))
}

// oabContent returns octets that look compressed and are the same each time.
func oabContent(octets int) []byte {
	var seed [32]byte
	p := make([]byte, octets)
	_, _ = rand.NewChaCha8(seed).Read(p) // never fails
	return p
}

func oabManifest(content []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<OAB>\n"+
		"  <OAL id=\"%s\" dn=\"/\" name=\"\\Global Address List\">\n", OABID)
	fmt.Fprintf(&b, "    <Full seq=\"1\" ver=\"32\" size=\"%d\" uncompressedsize=\"%d\" SHA=\"%X\">%s</Full>\n",
		len(content), 4*len(content), sha1.Sum(content), oabFile) //nolint:gosec // as the manifest wants it
	b.WriteString("  </OAL>\n</OAB>\n")
	return []byte(b.String())
}
