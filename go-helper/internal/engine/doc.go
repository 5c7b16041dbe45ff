// Package engine copies a set of images between registries at the least cost in requests and bytes:
// resolve (what is there, what is wanted), transfer (each blob down once, up once a registry, mounted
// elsewhere), commit (children, index, tag). It never reads a file of the user's.
package engine
