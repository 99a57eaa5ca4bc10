package msrpc

import "encoding/binary"

// order is the byte order of integers.
type order bool

const (
	little order = false
	big    order = true
)

func (o order) u16(b []byte) uint16 {
	if o == big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o order) u32(b []byte) uint32 {
	if o == big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o order) u64(b []byte) uint64 {
	if o == big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

func (o order) put16(b []byte, v uint16) {
	if o == big {
		binary.BigEndian.PutUint16(b, v)
		return
	}
	binary.LittleEndian.PutUint16(b, v)
}

func (o order) append16(dst []byte, v uint16) []byte {
	if o == big {
		return binary.BigEndian.AppendUint16(dst, v)
	}
	return binary.LittleEndian.AppendUint16(dst, v)
}

func (o order) append32(dst []byte, v uint32) []byte {
	if o == big {
		return binary.BigEndian.AppendUint32(dst, v)
	}
	return binary.LittleEndian.AppendUint32(dst, v)
}

func (o order) append64(dst []byte, v uint64) []byte {
	if o == big {
		return binary.BigEndian.AppendUint64(dst, v)
	}
	return binary.LittleEndian.AppendUint64(dst, v)
}
