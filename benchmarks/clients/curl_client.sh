# curl: the four APIs, a stream, a list.
SYSTEM=${SYSTEM:-You are a friendly clerk.}
ask() { curl -sS --fail-with-body -N -H "Content-Type: application/json" "$@"; echo; }
ask -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/chat/completions" \
  -d "{\"model\": \"m\", \"messages\": [{\"role\": \"system\", \"content\": \"$SYSTEM\"}, {\"role\": \"user\", \"content\": \"Hi\"}]}"
ask -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/responses" \
  -d "{\"model\": \"m\", \"instructions\": \"$SYSTEM\", \"input\": \"Hi\", \"stream\": true}"
ask -H "x-api-key: $ANTHROPIC_API_KEY" "$ANTHROPIC_BASE_URL/v1/messages" \
  -d "{\"model\": \"m\", \"max_tokens\": 9, \"system\": \"$SYSTEM\", \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}"
ask "$GOOGLE_GEMINI_BASE_URL/v1beta/models/g:streamGenerateContent?alt=sse&key=$GEMINI_API_KEY" \
  -d "{\"systemInstruction\": {\"parts\": [{\"text\": \"$SYSTEM\"}]}, \"contents\": [{\"parts\": [{\"text\": \"Hi\"}]}]}"
ask -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/models"
