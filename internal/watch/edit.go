package watch

import (
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// EditMark is a stored edit as a mark: the same as that of the live run.
func EditMark(e dmap.Edit) Mark {
	kind, text := editText(e.Setting, e.From, e.To)
	return Mark{At: e.At, Kind: kind, Text: text}
}

// editText says how a setting changed, by dmap.EditEvent.Texts.
func editText(setting, from, to string) (kind, text string) {
	switch {
	case setting == "Paused" && to == "true":
		return MarkPause, "paused"
	case setting == "Paused" && to == "false":
		return MarkPause, "resumed"
	case setting == "MaxConcurrency":
		return MarkEdit, "concurrency: " + grouped(from) + " to " + calls(to)
	}
	return MarkEdit, firstLine(strings.ToLower(setting) + ": " + from + " to " + to)
}

// grouped formats the digits of a number as Count does.
func grouped(number string) string {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return firstLine(number)
	}
	return Count(n)
}

func calls(number string) string {
	if number == "1" {
		return Counted(1, "call")
	}
	return grouped(number) + " calls"
}
