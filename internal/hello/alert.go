package hello

// Alert is the description of a fatal alert (RFC 8446, Section 6): why a hello is
// refused, as its sender is told.
type Alert uint8

// The alerts.
const (
	NoAlert          Alert = 0 // nothing is wrong
	IllegalParameter Alert = 47
	DecodeError      Alert = 50
	ProtocolVersion  Alert = 70
	MissingExtension Alert = 109
	UnrecognizedName Alert = 112
)

// String returns the name of the alert.
func (a Alert) String() string {
	switch a {
	case NoAlert:
		return "none"
	case IllegalParameter:
		return "illegal_parameter"
	case DecodeError:
		return "decode_error"
	case ProtocolVersion:
		return "protocol_version"
	case MissingExtension:
		return "missing_extension"
	case UnrecognizedName:
		return "unrecognized_name"
	default:
		return "unknown"
	}
}

// Record returns the alert as it goes to the peer. No version has been agreed on,
// so it says the one that every client reads (RFC 8446, Section 5.1).
func (a Alert) Record() [7]byte {
	const alert, fatal = 21, 2
	return [7]byte{alert, 3, 1, 0, 2, fatal, byte(a)}
}
