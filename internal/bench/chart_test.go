package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func charted() report {
	return report{
		Table: "a/b", What: "less < more & so on", Date: "2026-01-02", Go: "go1", Machine: "m", N: 10, Unit: "item", Rounds: 1, Concurrency: 2,
		Columns: []reportColumn{{Name: "CPU ns/item", Digits: 1}}, Base: "peer",
		Cases: []reportCase{
			{Name: "peer", Medians: []float64{100}, Ratio: 1},
			{Name: "gone", Failure: "exit status 2"},
			{Name: "dmap", Ours: true, Medians: []float64{25}, Ratio: 0.25, Runs: []measured{{outcome: outcome{Series: []point{
				{At: 0, Units: 0, Resident: 10 << 20}, {At: time.Second, Units: 2_000_000, Resident: 20 << 20},
			}}}}},
		},
	}
}

// texts returns the texts of an SVG file, which must be well-formed.
func texts(t *testing.T, svg []byte) (found []string) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(svg))
	inText := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				found = append(found, string(token))
			}
		}
	}
}

func TestBarLengthsAreProportional(t *testing.T) {
	svg := charted().bars(palettes["light"])
	require.Equal(t, []string{
		"less < more & so on", "a/b: CPU ns/item, less is better",
		"peer", "100.0", "dmap", "25.0  (0.25x)",
		"10 items, 2 calls at once, one round, m, go1, 2026-01-02",
	}, texts(t, svg))
	room := chartWidth - (4*charWidth + 16) - valueSpace
	require.Contains(t, string(svg), `width="`+fixed(room)+`" height="18" rx="2" fill="`+palettes["light"].bar)
	require.Contains(t, string(svg), `width="`+fixed(room/4)+`" height="18" rx="2" fill="`+palettes["light"].ours)
}

func TestLinesConnectFirstAndLastPoint(t *testing.T) {
	svg := charted().lines(palettes["dark"])
	require.Contains(t, string(svg), `points="60.0,`+fixed(plotBottom-10.0/20*(plotBottom-plotTop))+` 780.0,`+fixed(plotTop)+` "`)
	require.Contains(t, texts(t, svg), "dmap")
	withoutSeries := charted()
	withoutSeries.Cases[2].Runs = nil
	require.Nil(t, withoutSeries.lines(palettes["dark"]))
}

func TestGridCoversTheMaximum(t *testing.T) {
	for f, want := range map[float64]float64{3: 4, 4: 4, 5: 8, 19: 20, 21: 40, 39: 40, 41: 80, 300: 400} {
		require.Equal(t, want, roundUp(f), "%v", f)
	}
}

func TestRedrawEqualsDraw(t *testing.T) {
	data, first, again := t.TempDir(), t.TempDir(), t.TempDir()
	rep := charted()
	require.NoError(t, rep.save(data))
	require.NoError(t, rep.draw(first))
	require.NoError(t, redraw(data, again))
	for _, name := range []string{"a-b-light.svg", "a-b-dark.svg", "a-b-time-light.svg", "a-b-time-dark.svg"} {
		want, err := os.ReadFile(filepath.Join(first, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	require.ErrorContains(t, redraw(t.TempDir(), again), "no data")
	require.NoError(t, os.WriteFile(filepath.Join(data, "bad.json"), []byte("{"), 0o644))
	require.ErrorContains(t, redraw(data, again), "bad.json")
}

func fixed(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
