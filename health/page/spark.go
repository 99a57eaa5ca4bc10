package page

import (
	"slices"
	"strconv"
)

// The sparkline's own coordinates; the style sheet stretches it.
const (
	sparkWide = 240
	sparkHigh = 32
)

// spark is a small line chart: the attributes of an SVG polyline and of the
// polygon below it. Empty without at least two values, and one above zero.
type spark struct{ Line, Area string }

// sparkOf draws values from left to right; the highest touches the top.
func sparkOf(values []float64) spark {
	if len(values) < 2 || slices.Max(values) <= 0 {
		return spark{}
	}
	top := 1.0 // a trickle does not look like a flood
	for _, v := range values {
		top = max(top, v)
	}
	var line []byte
	step := float64(sparkWide) / float64(len(values)-1)
	for i, v := range values {
		line = strconv.AppendFloat(line, float64(i)*step, 'f', 1, 64)
		line = append(line, ',')
		line = strconv.AppendFloat(line, 1+(sparkHigh-2)*(1-max(v, 0)/top), 'f', 1, 64)
		line = append(line, ' ')
	}
	l := string(line[:len(line)-1])
	floor := strconv.Itoa(sparkHigh)
	return spark{Line: l, Area: "0," + floor + " " + l + " " + strconv.Itoa(sparkWide) + "," + floor}
}
