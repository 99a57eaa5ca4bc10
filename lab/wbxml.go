package lab

import "bytes"

// Octets of WBXML as ActiveSync uses it ([MS-ASWBXML], Section 2.1.1).
const (
	wbxmlSwitchPage = 0x00
	wbxmlEnd        = 0x01
	wbxmlString     = 0x03 // inline, ends with a zero octet
	wbxmlOpaque     = 0xc3
	wbxmlContent    = 0x40 // in a tag: it has content
	wbxmlTagMask    = 0x3f
)

// Code pages and tags ([MS-ASWBXML], Section 2.1.2.1).
const (
	pageAirSync = 0
	pagePing    = 13

	syncSync         = 0x05
	syncKey          = 0x0b
	syncStatus       = 0x0e
	syncCollection   = 0x0f
	syncCollectionID = 0x12
	syncCollections  = 0x1c

	pingPing      = 0x05
	pingStatus    = 0x07
	pingHeartbeat = 0x08
)

var wbxmlHead = []byte{0x03, 0x01, 0x6a, 0x00} // version 1.3, no public id, UTF-8, no string table

// wbxmlText returns the text of the first element of that tag, "" without it.
func wbxmlText(p []byte, page, tag byte) string {
	if !bytes.HasPrefix(p, wbxmlHead) {
		return ""
	}
	p = p[len(wbxmlHead):]
	var current byte
	wanted := false
	for len(p) > 0 {
		token := p[0]
		p = p[1:]
		switch token {
		case wbxmlSwitchPage:
			if len(p) == 0 {
				return ""
			}
			current, p = p[0], p[1:]
		case wbxmlEnd:
			wanted = false
		case wbxmlString:
			text, rest, ok := bytes.Cut(p, []byte{0})
			if wanted || !ok {
				return string(text)
			}
			p = rest
		case wbxmlOpaque:
			// A length under 128 is one octet; longer ones do not stand before
			// the elements that the lab reads.
			if len(p) == 0 || int(p[0]) >= len(p) {
				return ""
			}
			p = p[1+int(p[0]):]
		default:
			wanted = current == page && token&wbxmlTagMask == tag && token&wbxmlContent != 0
		}
	}
	return ""
}

// wbxml builds a document.
type wbxml struct {
	octets []byte
}

func newWBXML(page byte) *wbxml {
	b := &wbxml{octets: bytes.Clone(wbxmlHead)}
	b.octets = append(b.octets, wbxmlSwitchPage, page)
	return b
}

func (b *wbxml) open(tag byte) { b.octets = append(b.octets, tag|wbxmlContent) }
func (b *wbxml) close()        { b.octets = append(b.octets, wbxmlEnd) }

// element adds an element that holds text.
func (b *wbxml) element(tag byte, text string) {
	b.open(tag)
	b.octets = append(b.octets, wbxmlString)
	b.octets = append(b.octets, text...)
	b.octets = append(b.octets, 0)
	b.close()
}

func (b *wbxml) String() string { return string(b.octets) }
