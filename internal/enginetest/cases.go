package enginetest

import (
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// cases are all but those of the kinds of sources.
func cases() map[string]func(t *testing.T, e Engine) {
	return map[string]func(t *testing.T, e Engine){
		"retries":                retries,
		"throttled calls":        throttled,
		"batches":                batches,
		"panics":                 panics,
		"the limit":              limit,
		"edits and a pause":      edits,
		"wrong edits":            wrongEdits,
		"a rate of calls":        rate,
		"a rate of items":        itemRate,
		"edits of a tolerance":   tolerancesOfARun,
		"a cancel":               cancel,
		"a run that has ended":   again,
		"no failure tolerated":   tolerance(dmap.Tolerance{}, bad, 1, 12),
		"a count":                tolerance(dmap.Tolerance{Count: 50}, bad, 51, 51+12),
		"a percentage":           tolerance(dmap.Tolerance{Percentage: 10, MinItems: 100}, everyFifth, 11, 80),
		"a count at its limit":   tolerated(dmap.Tolerance{Count: 40}),
		"a share at its limit":   tolerated(dmap.Tolerance{Percentage: 20, MinItems: 200}),
		"a share of all items":   judgedAtTheEnd,
		"the first items":        firstItems,
		"a budget of calls":      budget(func(Engine) dmap.Budget { return dmap.Budget{Calls: 100} }, "Calls", callsOf, 100, 0, 0),
		"a budget of bytes":      budget(func(Engine) dmap.Budget { return dmap.Budget{Bytes: 700} }, "Bytes", bytesOf, 700+9, 0, 9),
		"a budget of units":      budget(func(Engine) dmap.Budget { return dmap.Budget{Units: 90} }, "Units", unitsOf, 90, 1, 1),
		"a budget of time":       budget(func(e Engine) dmap.Budget { return dmap.Budget{Time: e.ticks(8)} }, "Time", callsOf, 12*8, 1, 0),
		"a total budget":         totalBudget,
		"a total time":           totalTime,
		"held items":             holds,
		"failures by group":      failuresLive,
		"failures and kills":     failuresOfKilled,
		"broken objects":         brokenObjects(1),
		"allowed broken objects": brokenObjects(2),
		"one broken object":      brokenObject,
		"a mended object":        mended(single, "in.jsonl.gz"),
		"mended objects":         mended(flat, "in/0.jsonl.gz", "in/1.jsonl.gz", "in/2.jsonl.gz"),
		"an object that changed": changedSince,
		"large objects in part":  partlyRead,
		"an empty listing":       noObjects,
		"nothing":                nothing(slice(0)),
		"an allowed empty listing": nothing(func(b *blob.Bucket) dmap.Source[string] {
			return keys(source.Objects(b, "in/", source.ObjectsOptions{AllowEmpty: true}))
		}),
		"kills of all processes":           kills,
		"a run of dmap.Map":                continues,
		"kills at any operation":           killsAnywhere,
		"kills of machines":                machinesDie,
		"an item that crashes":             crashing,
		"wrong options":                    wrongOptions,
		"another version":                  changed,
		"a replaced object":                replaced("alone"),
		"a replaced object of many":        replaced("flatten"),
		"a redrive of an unread rest":      redriveUnread,
		"a redrive that fails":             redriveFails,
		"a trial":                          trial,
		"choices of redrives":              choices,
		"kills in a redrive":               redriveKills,
		"held items of a redrive":          heldInRedrive,
		"a redrive of many items":          redriveMany,
		"an end of an open redrive":        redriveEnded,
		"enough successes":                 enough,
		"enough with failures":             enoughWithFailures,
		"enough with the last item":        enoughAtTheEnd,
		"enough with that of a redrive":    enoughInRedrive,
		"MaxItems of a run that was begun": maxItemsLater,
		"MaxItems of a listing, begun":     maxItemsOfAListing,
		"MaxItems after skipped items":     maxItemsAfterSkipped,
		"MaxItems of a redrive":            maxItemsOfARedrive,
		"a sequence":                       sequence,
	}
}
