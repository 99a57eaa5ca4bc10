package pki

import (
	"math/big"
)

// mostWork is how many rounds of a hash it may take to derive a key: some seconds.
// Windows writes 2,000, OpenSSL 2,048; a file that asks for billions would hold up
// the start, and everything that is looked after behind it.
const mostWork = 1 << 25

// scryptShare is how much less of it scrypt gets, which takes memory for each round.
const scryptShare = 1 << 5

// The tags of DER (X.690).
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	constructed    = 0x20
)

// affordable reports whether every key derivation that a DER text asks for takes at
// most that work. Wherever one is asked for (PBKDF2, scrypt, PKCS #12), its numbers
// stand right behind its salt: an OCTET STRING, then INTEGERs whose product is the
// work. In nothing else that such files hold in the clear an INTEGER follows one.
func affordable(der []byte, work int) bool { return cheap(der, big.NewInt(int64(work)), 0) }

// mostDepth is how deep elements stand within each other. PKCS #12 needs 15.
const mostDepth = 40

func cheap(der []byte, most *big.Int, depth int) bool {
	if depth == mostDepth {
		return false
	}
	salted, factors := false, 0
	product := big.NewInt(1)
	for len(der) > 0 {
		e, ok := cut(der)
		if !ok {
			return true // no DER: somebody's octets
		}
		switch {
		case e.tag == tagInteger && salted:
			product.Mul(product, new(big.Int).SetBytes(e.content))
			limit := most
			if factors++; factors == 3 { // scrypt: cost, block size, parallelization
				limit = new(big.Int).Div(most, big.NewInt(scryptShare))
			}
			if product.Cmp(limit) > 0 {
				return false
			}
		default:
			salted = e.tag == tagOctetString
			product, factors = big.NewInt(1), 0
			if (salted || e.tag&constructed != 0) && !cheap(e.content, most, depth+1) {
				return false
			}
		}
		der = e.rest
	}
	return true
}

// element is one of a DER or BER text.
type element struct {
	tag           byte
	content, rest []byte // rest is what follows it
}

// cut cuts off the first element; one of indefinite length reaches to the end.
func cut(der []byte) (element, bool) {
	if len(der) < 2 || der[0]&0x1f == 0x1f {
		return element{}, false
	}
	tag, n, at := der[0], int(der[1]), 2
	switch {
	case n == 0x80:
		return element{tag, der[2:], nil}, true
	case n > 0x84:
		return element{}, false
	case n > 0x80:
		size := n - 0x80
		if len(der) < at+size {
			return element{}, false
		}
		n = 0
		for _, b := range der[at : at+size] {
			n = n<<8 | int(b)
		}
		at += size
	}
	if n < 0 || n > len(der)-at {
		return element{}, false
	}
	return element{tag, der[at : at+n], der[at+n:]}, true
}
