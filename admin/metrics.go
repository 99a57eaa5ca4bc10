package admin

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"casbah/node"
)

// maxScrapes is how many answers of /metrics may be under way at a time.
const maxScrapes = 4

// family is what all metrics of one name have in common. Labels come from the
// configuration or from a closed list, never from clients.
type family struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

// families are all that a collector emits, gathered as the package is initialized.
var families []family

func counter(name, help string, labels ...string) family {
	return declare(name, help, labels, prometheus.CounterValue)
}

func gauge(name, help string, labels ...string) family {
	return declare(name, help, labels, prometheus.GaugeValue)
}

func declare(name, help string, labels []string, kind prometheus.ValueType) family {
	f := family{prometheus.NewDesc("casbah_"+name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

// metrics returns the handler of /metrics, which asks the node when it is asked:
// nothing is counted for it anywhere else.
func (h *Handler) metrics() http.HandlerFunc {
	all := prometheus.NewRegistry()
	all.MustRegister(
		collector{h.source},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}).ServeHTTP
}

// collector makes the metrics of a node's status.
type collector struct{ source Source }

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.Desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	st := c.source.Status()
	e := emitter(out)
	e.process(&st)
	e.table(&st)
	e.protection(&st.Protection)
	for i := range st.VIPs {
		e.vip(&st.VIPs[i])
	}
	for i := range st.Pools {
		e.pool(&st.Pools[i])
	}
}

// emitter is where metrics go.
type emitter chan<- prometheus.Metric

// put emits one metric; values are those of the labels, in their order.
func (e emitter) put(f family, v float64, values ...string) {
	e <- prometheus.MustNewConstMetric(f.Desc, f.kind, v, values...)
}

// each emits a metric for each word, which is the last label.
func (e emitter) each(f family, by map[string]uint64, values ...string) {
	for word, n := range by {
		e.put(f, float64(n), append(slices.Clip(values), word)...)
	}
}

// truth is how a metric says yes or no.
func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// waits emits the histogram of the times that t has counted.
func (e emitter) waits(vip string, t *node.TrafficStatus) {
	below, all := make(map[float64]uint64), uint64(0)
	for i, bound := range node.WaitBounds() {
		all += t.Waits[i]
		below[bound.Seconds()] = all
	}
	all += t.Waits[len(t.Waits)-1]
	e <- prometheus.MustNewConstHistogram(metricWaits.Desc, all, t.Waited.Seconds(), below, vip, t.Profile, t.Pool)
}
