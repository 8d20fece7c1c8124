// Package source has the places where items come from: the objects of a bucket, the records inside
// an object, values in memory, and combinations of them.
//
// Constructors do no I/O and return no error: Validate reports all wrong arguments at once before a
// run starts, and so do Items and Splits before they read anything. Every source has
// a String that names it.
//
// An object that cannot be read and a row that makes no sense fail as one item, with an error that
// names the object and the position. An error that ends the source says that what follows cannot be
// found: a bucket that does not exist, a body that broke off for good, a quote that is never
// closed.
//
// What dmap does not change about gocloud: fileblob leaves out directories that it may not read,
// and takes four times as long to list a folder with attribute files beside the objects (open it
// with metadata=skip).
package source
