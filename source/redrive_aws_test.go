package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

const awsManifest = "sfn/manifest.json"

func TestChildrenOfStepFunctionsBecomeItems(t *testing.T) {
	object := `{"Etag":"\"d41d8cd98f00b204e9800998ecf8427e\"","Key":"in/a","LastModified":1763625600,"Size":5,"StorageClass":"STANDARD"}`
	bucket := memory(t, map[string]string{"in/a": "alpha"})
	files := map[string]string{
		"FAILED_0.json":  childArray([]map[string]any{child(1, object)}),
		"PENDING_0.json": childArray([]map[string]any{child(2, `"word"`), child(3, `"\u00e9\n"`)}),
	}
	require.NoError(t, bucket.WriteAll(t.Context(), awsManifest, []byte(childManifest(bucket, t, files)), nil))
	failed := read(t, source.Failures[source.Object](bucket, awsManifest, source.RedriveOptions{
		Classes: []string{"States.TaskFailed"}, In: bucket,
		Match: func(o source.Outcome) bool { return o.Status == "FAILED" && strings.Contains(o.Error, "no 1") },
	}))
	require.Len(t, failed, 1)
	require.NoError(t, failed[0].Err)
	require.Equal(t, "3e9be3f1-0000-4000-8000-000000000001", failed[0].ID())
	data, err := failed[0].Value.ReadAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, "alpha", string(data))
	require.Equal(t, []string{"word", "é\n"}, values(read(t, source.Pending[string](bucket, awsManifest))))
}

func TestABatchOfStepFunctionsIsItsItemsUnlessAskedFor(t *testing.T) {
	bucket := memory(t, nil)
	files := map[string]string{"FAILED_0.json": childArray(children(0, 2)), "FAILED_1.json": childArray([]map[string]any{
		child(5, `{"Items":[]}`), child(6, `{"Items":[7],"more":1}`), child(7, `{"Items":[8]}`), child(8, `{"Items":null}`),
	})}
	require.NoError(t, bucket.WriteAll(t.Context(), awsManifest, []byte(childManifest(bucket, t, files)), nil))
	name := func(i int) string { return fmt.Sprintf("3e9be3f1-0000-4000-8000-%012d", i) }
	require.Equal(t, name(0)+`@0 map[n:0]
`+name(0)+`@1 map[n:100]
`+name(0)+`@2 map[n:200]
`+name(1)+` map[n:1]
`+name(6)+` map[Items:[7] more:1]
`+name(7)+`@0 8
`+name(8)+` map[Items:<nil>]
`, lines(read(t, source.Failures[any](bucket, awsManifest))))
	type batch struct {
		BatchInput struct{ Factor int }
		Items      []number
	}
	whole := read(t, source.Failures[batch](bucket, awsManifest, source.RedriveOptions{WholeBatches: true}))
	require.Equal(t, 2, whole[0].Value.BatchInput.Factor)
	require.Equal(t, []number{{0}, {100}, {200}}, whole[0].Value.Items)
}

func TestBadRecordsOfStepFunctionsCostOnlyTheirItem(t *testing.T) {
	for form, text := range map[string]string{
		"array": `[{"Name":"a","Input":"1"}, {"Name":"b"}, {"Name":"c","Input":""}, {"Name":[]}, {"Name":"e","Input":"{"}, {"Input":"6"}, {"Input":{"n":7}}]`,
		"lines": `{"Name":"a","Input":"1"}` + "\n" + `{"Name":"b"}` + "\n" + `{"Name":"c","Input":""}` + "\n" + `{"Name":[]}` + "\n" +
			`{"Name":"e","Input":"{"}` + "\n" + `{"Input":"6"}` + "\n" + `{"Input":{"n":7}}`,
	} {
		t.Run(form, func(t *testing.T) {
			bucket := memory(t, nil)
			require.NoError(t, bucket.WriteAll(t.Context(), awsManifest, []byte(childManifest(bucket, t, map[string]string{"FAILED_0.json": text})), nil))
			items := read(t, source.Failures[any](bucket, awsManifest))
			require.Len(t, items, 7)
			require.Equal(t, "a 1\n", lines(items[:1]))
			for i, wrong := range []string{"no input", "no input", "cannot unmarshal", `input of "e" at byte 1`} {
				require.ErrorContains(t, items[1+i].Err, wrong)
				require.ErrorContains(t, items[1+i].Err, `object "sfn/FAILED_0.json" line `)
			}
			require.Equal(t, "sfn/FAILED_0.json", items[3].Key, "what has no name goes by its place")
			require.True(t, strings.HasPrefix(items[5].Key, "sfn/FAILED_0.json@"))
			require.Equal(t, items[5].Key+" 6\n", lines(items[5:6]))
			require.Equal(t, map[string]any{"n": 7.}, items[6].Value)
		})
	}
}

func TestABrokenFileOfStepFunctionsEndsTheSource(t *testing.T) {
	for text, wrong := range map[string]string{
		`[{"Name":"a","Input":"1"},`:     "does not end",
		`[{"Name":"a","Input":"1"} {}]`:  "expected a comma",
		`[{"Name":"a","Input":"1"}]x`:    "after the end",
		"[\x00":                          "does not end",
		"\x1f\x8b\x08\x00\x00\x00":       "gzip",
		`[{"Name":"a","Input":"1"}, "b"`: "does not end",
	} {
		bucket := memory(t, nil)
		require.NoError(t, bucket.WriteAll(t.Context(), awsManifest, []byte(childManifest(bucket, t, map[string]string{"FAILED_0.json": text})), nil))
		_, err := try(t.Context(), source.Failures[any](bucket, awsManifest))
		require.ErrorContains(t, err, wrong, text)
		require.ErrorContains(t, err, `"sfn/FAILED_0.json"`)
	}
}

func TestALongRecordIsPassedOver(t *testing.T) {
	bucket := memory(t, nil)
	list := children(1, 3)
	list[0]["Cause"] = strings.Repeat("x", 1<<20)
	text := childArray(list)
	require.NoError(t, bucket.WriteAll(t.Context(), awsManifest, []byte(childManifest(bucket, t, map[string]string{"FAILED_0.json": text})), nil))
	items := read(t, source.Failures[number](bucket, awsManifest, source.RedriveOptions{MaxRecord: 64 << 10}))
	require.Len(t, items, 2)
	var limit *source.LimitError
	require.ErrorAs(t, items[0].Err, &limit)
	require.EqualValues(t, 1, limit.Offset)
	require.Equal(t, number{2}, items[1].Value)
}

func TestPartsElsewhereAreReadOnlyIfAllowed(t *testing.T) {
	bucket := memory(t, nil)
	manifest := childManifest(bucket, t, map[string]string{"FAILED_0.json": childArray(children(1, 3))})
	require.NoError(t, bucket.WriteAll(t.Context(), "copy/manifest.json", []byte(manifest), nil))
	_, err := try(t.Context(), source.Failures[number](bucket, "copy/manifest.json"))
	require.ErrorContains(t, err, "see RedriveOptions.Anywhere")
	require.Len(t, read(t, source.Failures[number](bucket, "copy/manifest.json", source.RedriveOptions{Anywhere: true})), 2)
}

func FuzzRedriveRecords(f *testing.F) {
	f.Add(childArray(children(0, 4)), true)
	f.Add(childLines(children(0, 4)), true)
	f.Add(`{"id":"a","key":"a","offset":-1,"index":0,"attempts":1,"elapsed":1,"class":"error","error":"x","input":1}`+"\n", false)
	f.Fuzz(func(t *testing.T, text string, aws bool) {
		format := `"Format":1,`
		if aws {
			format = ""
		}
		manifest := fmt.Sprintf(`{%s"RunID":"r","ResultFiles":{"FAILED":[{"Key":"r/F","Size":%d}]}}`, format, len(text))
		bucket := memory(t, map[string]string{"r/manifest.json": manifest, "r/F": text})
		src := source.Failures[any](bucket, "r/manifest.json", source.RedriveOptions{MaxRecord: 4096})
		all, err := try(t.Context(), src)
		before := dmap.Cursor{}
		for i, item := range all {
			require.Greater(t, item.Next.Offset, before.Offset, "cursors grow")
			before = item.Next
			if i > 8 || err != nil {
				continue
			}
			for split, err := range plan(src).Splits(t.Context()) {
				require.NoError(t, err)
				split.From = item.Next
				n := 0
				for rest, err := range plan(src).Read(t.Context(), split) {
					require.NoError(t, err)
					require.Equal(t, all[i+1+n].ID(), rest.ID())
					n++
				}
				require.Equal(t, len(all)-i-1, n)
			}
		}
	})
}
