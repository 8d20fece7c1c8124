package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// The shapes of keys that other programs write, and that are hard to list in ranges.

// scriptKeys returns random words in several scripts.
func scriptKeys(n int) []string {
	scripts := []string{"абвгдежзиклмнопрст", "日本語東京大阪漢字", "αβγδεζηθικλ", "abcdefghijkl", "العربية"}
	random := rand.New(rand.NewPCG(5, 6))
	return distinct(n, func(int) string {
		letters := []rune(scripts[random.IntN(len(scripts))])
		word := make([]rune, 8+random.IntN(8))
		for i := range word {
			word[i] = letters[random.IntN(len(letters))]
		}
		return string(word)
	})
}

// tabKeys returns keys in directories with a tab in their names.
func tabKeys(n int) []string {
	return distinct(n, func(i int) string { return fmt.Sprintf("t\tt/%03d/%08d", i%500, i) })
}

// prefixKeys returns random keys after 900 bytes that all have.
func prefixKeys(n int) []string {
	random := rand.New(rand.NewPCG(7, 8))
	prefix := strings.Repeat("p", 900)
	return distinct(n, func(int) string { return fmt.Sprintf("%s%08x", prefix, random.Uint32()) })
}

// slashKeys returns keys in 600 directories. One key in 100 has two slashes after each other.
func slashKeys(n int) []string {
	return distinct(n, func(i int) string {
		if i%100 == 7 {
			return fmt.Sprintf("in/%03d//%08d", i%600, i)
		}
		return fmt.Sprintf("in/%03d/%08d", i%600, i)
	})
}

// escapedKeys returns keys of which one in 100 is written by gocloud in another form than the store
// has, or cannot be read by it at all.
func escapedKeys(n int) []string {
	odd := []string{"../", "a\tb", "__0x41__", "./", "x\x7fy"}
	return distinct(n, func(i int) string {
		if i%100 == 7 {
			return fmt.Sprintf("in/%03d/%s%08d", i%600, odd[i/100%len(odd)], i)
		}
		return fmt.Sprintf("in/%03d/%08d", i%600, i)
	})
}

// distinct returns n sorted keys, each once. key gets the numbers from 0 on, until there are enough
// keys.
func distinct(n int, key func(i int) string) []string {
	seen := make(map[string]bool, n)
	keys := make([]string, 0, n)
	for i := 0; len(keys) < n; i++ {
		if k := key(i); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
