/** The Jinja interpreter and chat template rendering, shared by serving and training. Thread-safe; templates are untrusted and limited. */
package dev.nightshift.template;
