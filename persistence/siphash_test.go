package persistence

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// officialVectors are from the reference implementation of SipHash-2-4-128: the
// input of each is the octets 0, 1, 2 up to its length, the key 0 to 15.
var officialVectors = []struct {
	length int
	want   string
}{
	{0, "a3817f04ba25a8e66df67214c7550293"},
	{48, "f7e5aef549f782cf379055a608269b16"},
	{49, "438d030fd0b7a54fa837f2ad201a6403"},
	{50, "a590d3ee4fbf04e3247e0d27f286423f"},
	{51, "5fe2c1a172fe93c4b15cd37caef9f538"},
	{52, "2c97325cbd06b36eb2133dd08b3a017c"},
	{53, "92c814227a6bca949ff0659f002ad39e"},
	{54, "dce850110bd8328cfbd50841d6911d87"},
	{55, "67f14984c7da791248e32bb5922583da"},
	{56, "1938f2cf72d54ee97e94166fa91d2a36"},
	{57, "74481e9646ed49fe0f6224301604698e"},
	{58, "57fca5de98a9d6d8006438d0583d8a1d"},
	{59, "9fecde1cefdc1cbed4763674d9575359"},
	{60, "e3040c00eb28f15366ca73cbd872e740"},
	{61, "7697009a6a831dfecca91c5993670f7a"},
	{62, "5853542321f567a005d547a4f04759bd"},
	{63, "5150d1772f50834a503e069a973fbd7c"},
}

func TestSipOfficialVectors(t *testing.T) {
	var secret Secret
	for i := range secret {
		secret[i] = byte(i)
	}
	for _, tt := range officialVectors {
		in := make([]byte, tt.length)
		for i := range in {
			in[i] = byte(i)
		}
		for cut := range len(in) + 1 {
			s := newSip(secret)
			s.write(in[:cut])
			s.write(in[cut:])
			if got := octets(s.sum()); got != tt.want {
				t.Errorf("sip of %d octets, cut at %d = %s; want %s", tt.length, cut, got, tt.want)
			}
		}
	}
}

func TestSipFieldsDoNotRunTogether(t *testing.T) {
	hash := func(fields ...string) Key {
		s := newSip(Secret{})
		for _, f := range fields {
			s.writeField([]byte(f))
		}
		return s.sum()
	}
	if hash("ab", "c") == hash("a", "bc") {
		t.Error("two lists of fields have one hash")
	}
}

// octets returns a key in the order in which the reference writes it.
func octets(k Key) string {
	b := binary.LittleEndian.AppendUint64(nil, k.lo)
	return hex.EncodeToString(binary.LittleEndian.AppendUint64(b, k.hi))
}
