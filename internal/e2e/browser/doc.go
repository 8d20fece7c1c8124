// Package browser tests the page of runs in a real browser.
package browser
