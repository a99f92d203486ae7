package dev.nightshift.api.http;

/** How a request's events become its answer. */
sealed interface Form permits StreamForm, AnswerForm {}
