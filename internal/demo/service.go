package demo

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Effects are what is wrong with the service at a moment; the zero value is nothing.
type Effects struct {
	// AmountFactor multiplies amounts; 0 is 1.
	AmountFactor float64
	// NewMerchant is the share of requests of a merchant never seen before.
	NewMerchant float64
	// MissingDevice is the share of requests without a device score, of those from MissingIn only unless that is empty.
	MissingDevice float64
	MissingIn     string
	// Errors is the share of requests that fail, beyond the usual half percent.
	Errors float64
	// Turned: who is a fraud depends on a request in another way, and requests are as ever.
	Turned bool
}

// Service answers requests. The same seed and calls give the same events. It is not
// safe for concurrent use.
type Service struct {
	random *rand.Rand
	count  uint64
}

// NewService returns a service.
func NewService(seed uint64) *Service {
	return &Service{random: rand.New(rand.NewPCG(seed, 0x5eed))}
}

// Names of the service's topics and model.
const (
	Topic      = "fraud.predictions"
	LabelTopic = "fraud.labels"
	Model      = "fraud"
	Partitions = 4
)

var (
	merchants      = names("m", 20)
	channels       = []string{"web", "app", "pos", "phone"}
	cards          = []string{"debit", "credit", "prepaid"}
	currencies     = []string{"EUR", "USD", "GBP", "CHF", "SEK"}
	countries      = []string{"DE", "FR", "US", "NL", "IT"}
	countryWeights = []float64{40, 25, 20, 10, 5}
)

func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + strconv.Itoa(i+1)
	}
	return out
}

// Topics are those of all services. Each has Partitions, and its records are keyed by id.
func Topics() []string { return []string{Topic, LabelTopic, ShopTopic, ShopLabelTopic} }

// Config is the config that monitors the services.
func Config(broker, profile string) string {
	return `kafka: {brokers: ["` + broker + `"], group: streammon-demo}
max_series: 20000
windows: [5m, 1h]
allowed_lateness: 5s
models:
  - name: fraud
    topics: {predictions: ` + Topic + `, labels: ` + LabelTopic + `}
    reference: ` + strconv.Quote(profile) + `
    task: binary
    positive: fraud
    labels: {timeout: 1h}
    features:
` + Features() + `    segments: [{name: country, values: [DE, FR, US, NL, IT]}]
    changes: [error_ratio, positive_ratio, misprediction_ratio, {figure: mean, feature: prediction.score}]
    fairness: {segment: country}
    kpis:
      amount: sum(features.amount) where !failed
      stopped_share: sum(features.amount) where !failed && prediction.label == "fraud" / sum(features.amount) where !failed
  - name: ` + ShopModel + `
    topics: {predictions: ` + ShopTopic + `, labels: ` + ShopLabelTopic + `}
    task: ranking
    top_k: [1, 5, 10]
    catalog: ` + strconv.Itoa(catalog) + `
    labels: {timeout: 30m}
    features: {basket: numeric, page: categorical}
`
}

// Features returns the lines of the config that list the features.
func Features() string {
	return `      amount: numeric
      balance: numeric
      account_age_days: numeric
      transactions_24h: numeric
      distance_km: numeric
      device_score: numeric
      ip_risk: numeric
      session_seconds: numeric
      merchant: categorical
      channel: categorical
      card: categorical
      currency: categorical
`
}

// request is one transaction before it is written.
type request struct {
	amount, balance, age, distance, device, risk, session float64
	transactions                                          int
	merchant, channel, card, currency, country, version   string
	score, latency                                        float64
	failed, deviceMissing                                 bool
}

// Append appends the event of the next request, at time t, as JSON, and returns its
// id, which keys the record.
func (s *Service) Append(b []byte, t time.Time, e Effects) (event []byte, id string) {
	r := s.request(e)
	id = fraudID(s.count)
	return r.appendJSON(b, id, t), id
}

func (s *Service) request(e Effects) request {
	s.count++
	r := s.random
	q := request{
		amount: math.Exp(3.5 + 0.9*r.NormFloat64()), balance: 2500 + 1800*r.NormFloat64(), age: 900 * r.ExpFloat64(),
		transactions: int(3 * r.ExpFloat64()), distance: math.Exp(1.5 + 1.2*r.NormFloat64()),
		device: 1 / (1 + math.Exp(-1.5-r.NormFloat64())), session: 40 * r.ExpFloat64(),
		merchant: zipf(r, merchants), channel: zipf(r, channels), card: zipf(r, cards), currency: zipf(r, currencies),
		country: weighted(r, countries, countryWeights), version: "7",
		latency: 4 + 3*r.ExpFloat64() + math.Exp(1.2*r.NormFloat64()),
	}
	if r.Float64() < 0.1 {
		q.version = "8"
	}
	if r.Float64() < 0.3 {
		q.risk = r.Float64()
	}
	// Each effect draws whether it is on or not, so that the rest of the stream is
	// the same with and without it.
	unseen, missing, failed := r.Float64(), r.Float64(), r.Float64()
	if e.AmountFactor != 0 {
		q.amount *= e.AmountFactor
	}
	if unseen < e.NewMerchant {
		q.merchant = "m-new"
	}
	if e.MissingIn != "" && e.MissingIn != q.country {
		e.MissingDevice = 0
	}
	q.deviceMissing = missing < 0.01+e.MissingDevice
	q.failed = failed < 0.005+e.Errors
	q.score = q.risky(r.NormFloat64())
	return q
}

// risky is the model: a logistic regression with some noise.
func (q *request) risky(noise float64) float64 {
	z := -4.2 + 0.5*math.Log(q.amount) + 2.2*q.risk - 1.5*q.device + 0.08*float64(q.transactions) + 0.2*math.Log(q.distance) + 0.5*noise
	return 1 / (1 + math.Exp(-z))
}

// chance is how probable it is that the request is a fraud: as the model says, until the world has turned. Then frauds are those that
// look harmless to it, and there are more.
func (q *request) chance(turned bool) float64 {
	if !turned {
		return q.score
	}
	odds := q.score / (1 - q.score)
	return 1 / (1 + math.Exp(4.2)*odds)
}

func zipf(r *rand.Rand, values []string) string {
	// Weights 1/(i+1), by inversion of the harmonic sum.
	var total float64
	for i := range values {
		total += 1 / float64(i+1)
	}
	u := r.Float64() * total
	for i, v := range values {
		if u -= 1 / float64(i+1); u < 0 {
			return v
		}
	}
	return values[0]
}

func weighted(r *rand.Rand, values []string, weights []float64) string {
	var total float64
	for _, w := range weights {
		total += w
	}
	u := r.Float64() * total
	for i, v := range values {
		if u -= weights[i]; u < 0 {
			return v
		}
	}
	return values[0]
}

func (q *request) appendJSON(b []byte, id string, t time.Time) []byte {
	b = append(b, `{"type":"prediction","id":"`...)
	b = append(b, id...)
	b = append(b, `","time":"`...)
	b = t.UTC().AppendFormat(b, timeForm)
	b = append(b, `","model":"fraud","version":"`...)
	b = append(b, q.version...)
	b = appendText(append(b, `","segments":{`...), "country", q.country)
	b = append(b, `},"features":{`...)
	b = appendNumber(b, "amount", q.amount, 2)
	b = appendNumber(b, "balance", q.balance, 2)
	b = appendNumber(b, "account_age_days", q.age, 0)
	b = appendNumber(b, "transactions_24h", float64(q.transactions), 0)
	b = appendNumber(b, "distance_km", q.distance, 2)
	if !q.deviceMissing {
		b = appendNumber(b, "device_score", q.device, 4)
	}
	b = appendNumber(b, "ip_risk", q.risk, 3)
	b = appendNumber(b, "session_seconds", q.session, 1)
	b = append(appendText(b, "merchant", q.merchant), ',')
	b = append(appendText(b, "channel", q.channel), ',')
	b = append(appendText(b, "card", q.card), ',')
	b = appendText(b, "currency", q.currency)
	b = append(b, '}')
	status := int64(200)
	if q.failed {
		status = 503
	} else {
		b = q.appendAnswer(b)
	}
	b = append(b, `,"latency_ms":`...)
	b = strconv.AppendFloat(b, q.latency, 'f', 2, 64)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, status, 10)
	return append(b, '}')
}

func (q *request) appendAnswer(b []byte) []byte {
	b = append(b, `,"prediction":{"score":`...)
	b = strconv.AppendFloat(b, q.score, 'f', 5, 64)
	b = append(b, `,"label":"`...)
	b = appendAnswerLabel(b, q.score >= 0.5)
	return append(b, `"}`...)
}

func appendAnswerLabel(b []byte, fraud bool) []byte {
	if fraud {
		return append(b, "fraud"...)
	}
	return append(b, "ok"...)
}

func appendNumber(b []byte, name string, x float64, digits int) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return append(strconv.AppendFloat(b, x, 'f', digits, 64), ',')
}

func appendText(b []byte, name, value string) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...)
	return append(b, '"')
}
