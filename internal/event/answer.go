package event

// MaxItems is the most items of an answer or a label, and the most classes of an answer: more cost
// time and memory, and say nothing more.
const MaxItems = 1000

// Answers are the parts of answers and labels that a schema may want beside its features. What is
// not wanted costs nothing.
type Answers struct {
	Interval      bool // Event.Lower and Upper
	Probabilities bool // Event.Scores
	Items         bool // Event.Items, and those of Event.Truth if it is wanted
	Truth         bool // Event.Truth
}

// Or returns what either wants.
func (a Answers) Or(b Answers) Answers {
	return Answers{
		Interval: a.Interval || b.Interval, Probabilities: a.Probabilities || b.Probabilities,
		Items: a.Items || b.Items, Truth: a.Truth || b.Truth,
	}
}

// ClassScore is the score of a class: a probability, if the service says so. P is finite.
type ClassScore struct {
	Class []byte
	P     float64
}

// Truth is what a label says. All of it is missing in one that is neither text, number nor items.
type Truth struct {
	// Text is the label as a categorical feature would have it, if HasText.
	Text    []byte
	HasText bool
	// Number is the label as a numeric feature would have it, if HasNumber; it is finite.
	HasNumber bool
	Number    float64
	// Items are the relevant items, at most MaxItems; in a list an item may be there twice. None unless ItemsState is
	// Valid; there may be none at all then.
	Items      []Item
	ItemsState State
}

// Item is a relevant item, and how relevant it is: finite and not negative; 1 where the label does not say.
type Item struct {
	Name      []byte
	Relevance float64
}
