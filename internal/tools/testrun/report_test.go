package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Unix(0, 0)

// feed returns what a report prints about the events, a second after another.
func feed(t *testing.T, r func(*report, time.Time), verbose bool, events ...string) string {
	t.Helper()
	var out strings.Builder
	report := newReport(&out, verbose, start)
	now := start
	for _, text := range events {
		var e event
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		report.add(e, now)
		now = now.Add(time.Second)
	}
	if r != nil {
		r(report, now)
	}
	return out.String()
}

func TestAPackageThatPassesIsOneLine(t *testing.T) {
	require.Equal(t, "ok       1.5s  a\n", feed(t, nil, false,
		`{"Action":"start","Package":"a"}`,
		`{"Action":"run","Package":"a","Test":"TestX"}`,
		`{"Action":"output","Package":"a","Test":"TestX","Output":"=== RUN TestX\n"}`,
		`{"Action":"pass","Package":"a","Test":"TestX"}`,
		`{"Action":"output","Package":"a","Output":"PASS\n"}`,
		`{"Action":"pass","Package":"a","Elapsed":1.5}`,
		`{"Action":"start","Package":"none"}`,
		`{"Action":"skip","Package":"none"}`,
	))
}

func TestAFailedTestShowsItsOutputOnly(t *testing.T) {
	require.Equal(t, "wrong\nFAIL\nFAIL     2.0s  a\n1 packages in 8s; the slowest: a 2.0s\nFAILED: a\n", feed(t, (*report).finish, false,
		`{"Action":"run","Package":"a","Test":"TestX"}`,
		`{"Action":"run","Package":"a","Test":"TestY"}`,
		`{"Action":"output","Package":"a","Test":"TestX","Output":"fine\n"}`,
		`{"Action":"output","Package":"a","Test":"TestY","Output":"wrong\n"}`,
		`{"Action":"pass","Package":"a","Test":"TestX"}`,
		`{"Action":"fail","Package":"a","Test":"TestY"}`,
		`{"Action":"output","Package":"a","Output":"FAIL\n"}`,
		`{"Action":"fail","Package":"a","Elapsed":2}`,
	))
}

func TestATestThatNeverEndsShowsItsOutput(t *testing.T) {
	require.Equal(t, "panic: test timed out\nFAIL     2.0s  a\n", feed(t, nil, false,
		`{"Action":"run","Package":"a","Test":"TestX"}`,
		`{"Action":"output","Package":"a","Test":"TestX","Output":"panic: test timed out\n"}`,
		`{"Action":"fail","Package":"a","Elapsed":2}`,
	))
}

func TestBuildErrorsAreShown(t *testing.T) {
	require.Equal(t, "a.go:1: undefined: x\nFAIL     0.0s  a\n", feed(t, nil, false,
		`{"Action":"build-output","ImportPath":"a","Output":"a.go:1: undefined: x\n"}`,
		`{"Action":"build-fail","ImportPath":"a"}`,
		`{"Action":"start","Package":"a"}`,
		`{"Action":"fail","Package":"a","FailedBuild":"a"}`,
	))
}

func TestVerboseShowsAllOutput(t *testing.T) {
	require.Equal(t, "fine\nok       0.0s  a\n", feed(t, nil, true,
		`{"Action":"output","Package":"a","Test":"TestX","Output":"fine\n"}`,
		`{"Action":"pass","Package":"a"}`,
	))
}

func TestProgressNamesTheOldestTestOfEachPackage(t *testing.T) {
	require.Equal(t, "ok       0.0s  a\n...   6s: 1 packages done, running: b (5s, TestY), c (1s)\n", feed(t, (*report).progress, false,
		`{"Action":"pass","Package":"a"}`,
		`{"Action":"start","Package":"b"}`,
		`{"Action":"run","Package":"b","Test":"TestX"}`,
		`{"Action":"run","Package":"b","Test":"TestY"}`,
		`{"Action":"pass","Package":"b","Test":"TestX"}`,
		`{"Action":"start","Package":"c"}`,
	))
	require.Equal(t, "...   0s: 0 packages done, go builds the next\n", feed(t, (*report).progress, false))
}

func TestFinishNamesTheSlowestFirst(t *testing.T) {
	require.Contains(t, feed(t, (*report).finish, false,
		`{"Action":"pass","Package":"a","Elapsed":1}`,
		`{"Action":"pass","Package":"b","Elapsed":2}`,
	), "2 packages in 2s; the slowest: b 2.0s, a 1.0s\n")
}
