package config

import (
	"fmt"
	"reflect"
)

// sharing is what the models seen so far have between them.
type sharing struct {
	*reader
	config      *Config
	names       map[string]int // the first model of a name, or topic
	predictions map[string]int
	labels      map[string]int
	paths       map[pathOwner]pathOf
}

// pathOwner is a feature, or segment, of the models of one predictions topic.
type pathOwner struct {
	topic, name string
	segment     bool
}

type pathOf struct {
	path  string
	model int
}

// checkModels applies the rules between models. Of two the violation is at the second.
// minLetterFile is room for some of the largest dead letters.
const minLetterFile = 1 << 20

func (r *reader) checkModels(c *Config) {
	s := sharing{
		reader: r, config: c, names: map[string]int{}, predictions: map[string]int{}, labels: map[string]int{},
		paths: map[pathOwner]pathOf{},
	}
	for i := range c.Models {
		s.add(i, &c.Models[i])
	}
	topic := c.Kafka.DeadLetterTopic
	_, predictions := s.predictions[topic]
	if _, labels := s.labels[topic]; predictions || labels {
		r.fail("kafka.dead_letter_topic", "%s is a topic of a model: dead letters would be read again", quote(topic))
	}
	if d := &c.DeadLetters; d.File != "" && topic != "" {
		r.fail("dead_letters.file", "is one too many: kafka.dead_letter_topic is given, too")
	} else if d.File != "" && d.MaxFileBytes < minLetterFile {
		r.fail("dead_letters.max_file_bytes", "%d is less than 1MiB", d.MaxFileBytes)
	}
}

func (s *sharing) add(i int, m *Model) {
	path := fmt.Sprintf("models[%d]", i)
	if j, ok := s.names[m.Name]; ok {
		s.fail(path+".name", "%s is the name of models[%d], too", quote(m.Name), j)
	}
	if m.Topics.Predictions != "" {
		s.topics(path, m)
		s.checkPaths(path, i, m)
	}
	remember(s.names, m.Name, i)
	remember(s.predictions, m.Topics.Predictions, i)
	remember(s.labels, m.Topics.Labels, i)
}

// remember notes the first model that has a key; one that is missing is nobody's.
func remember(first map[string]int, key string, i int) {
	if _, ok := first[key]; !ok && key != "" {
		first[key] = i
	}
}

// topics checks the topics of a model against those of the models before.
func (s *sharing) topics(path string, m *Model) {
	t := m.Topics
	if i, ok := s.predictions[t.Predictions]; ok {
		s.sameTopic(path, m, i)
		return
	}
	if i, ok := s.labels[t.Predictions]; ok {
		s.fail(path+".topics.predictions", "%s is the labels topic of models[%d]", quote(t.Predictions), i)
	}
	if i, ok := s.predictions[t.Labels]; ok {
		s.fail(path+".topics.labels", "%s is the predictions topic of models[%d]", quote(t.Labels), i)
	} else if i, ok := s.labels[t.Labels]; ok {
		s.fail(path+".topics.predictions", "models that share a labels topic share the predictions topic, which of models[%d] is %s",
			i, quote(s.config.Models[i].Topics.Predictions))
	}
}

// sameTopic checks a model of the predictions topic of models[i]: their messages are
// read once for both.
func (s *sharing) sameTopic(path string, m *Model, i int) {
	first := &s.config.Models[i]
	if want := first.Topics.Labels; want != m.Topics.Labels {
		is := quote(want)
		if want == "" {
			is = "none"
		}
		s.fail(path+".topics.labels", "models that share a predictions topic share the labels topic, which of models[%d] is %s", i, is)
	}
	if !reflect.DeepEqual(first.Mapping, m.Mapping) {
		s.fail(path+".mapping", "models that share a predictions topic have the same mapping, and that of models[%d] differs", i)
	}
}

// checkPaths sees that a feature or segment is in one place for all models of a topic.
func (s *sharing) checkPaths(path string, i int, m *Model) {
	check := func(where string, owner pathOwner, p string) {
		first, ok := s.paths[owner]
		if !ok {
			s.paths[owner] = pathOf{p, i}
		} else if first.path != p && first.model != i {
			s.fail(where, "models that share a predictions topic share the paths of what they have in common, and models[%d] has another one",
				first.model)
		}
	}
	for _, f := range m.Features {
		check(join(path+".features", f.Name), pathOwner{topic: m.Topics.Predictions, name: f.Name}, f.Path)
	}
	for k, seg := range m.Segments {
		check(fmt.Sprintf("%s.segments[%d]", path, k), pathOwner{m.Topics.Predictions, seg.Name, true}, seg.Path)
	}
}
