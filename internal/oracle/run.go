package oracle

// Run reads the lanes, each in its order, to their ends and returns every final
// window. It panics if the setup has a length of window or pane that is not
// positive.
func Run(setup Setup, lanes [][]Message) Output {
	return Output{}
}
