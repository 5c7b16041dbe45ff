// Package tree tells what an image is: manifests in, the tree of all that they name out, whole or limited to some
// platforms. It is pure but for the function that it reads manifests by.
package tree
