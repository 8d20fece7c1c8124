package watch

import "strings"

// Hidden is the key and the ID of an item, and a text about it, with redact applied to the key. A
// nil redact hides nothing.
func Hidden(redact func(string) string, key, id, text string) (shownKey, shownID, shownText string) {
	if redact == nil || key == "" {
		return key, id, text
	}
	shown := redact(key)
	return shown, strings.Replace(id, key, shown, 1), strings.ReplaceAll(text, key, shown)
}
